"""Limits of extraction engines: a page that exceeds one is rejected, and the run goes on."""

MAX_DEPTH = 1000  # nested elements; resiliparse's main content takes 15 ms at 1,000, 1 s at 8,000, minutes at 100,000


class TooMuch(ValueError):
    """A page has more of something than an engine takes.

    `rule` names the limit, `value` is how many the page has, and `limit` is how many it may have.
    """

    def __init__(self, rule: str, value: int, limit: int):
        super().__init__(f"{rule}: {value}, more than {limit}")
        self.rule, self.value, self.limit = rule, value, limit


class TooDeep(TooMuch):
    """A page has more nested elements than an engine takes."""

    def __init__(self, depth: int):
        super().__init__("too_deep", depth, MAX_DEPTH)
