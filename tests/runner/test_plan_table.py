"""The table of `plan`: what a run costs, and that a cost nobody has measured is not given as nought."""

import pytest

from pipeline.commands.plan import plan_table
from pipeline.runner.planning import PlannedStep

MEASURED = PlannedStep("near", "run", ("never run here",), 12.0, 1e6)
UNMEASURED = PlannedStep("exact", "run", ("never run here",), None, None)
DEPENDENT = PlannedStep("layout", "may run", ("input ledger changed", "known when its inputs have run"), 1.0, 1e6)
FINISHED = PlannedStep("pages", "have", (), 0, 0)


@pytest.mark.parametrize(
    ("lines", "summary"),
    [
        ([FINISHED, MEASURED], "1 of 2 steps to run: about 12.0 s of CPU"),
        ([FINISHED, UNMEASURED], "1 of 2 steps to run: cost unknown: never measured here"),
        (
            [MEASURED, UNMEASURED],
            "2 of 2 steps to run: about 12.0 s of CPU, and 1 step with cost unknown: never measured here",
        ),
        ([FINISHED], "0 of 1 steps to run: about 0.0 s of CPU"),
        (
            [MEASURED, DEPENDENT],
            "2 of 2 steps to run, 1 of them only if what they read changes: about 13.0 s of CPU",
        ),
    ],
)
def test_the_last_line_tells_measured_from_unknown_costs(lines, summary):
    assert plan_table(lines).splitlines()[-1] == summary
