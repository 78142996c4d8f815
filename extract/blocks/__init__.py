"""The learned extraction engine: main text of an HTML page by gradient-boosted trees over its blocks of text.

Read the files in this order; each one uses only those before it.

1. `scan/` finds the blocks of text in a page's bytes, in one pass: `page.py` (the arrays that come out), `tags.py`,
   `hashing.py`, `byte_kernels.py`, `characters.py`, `marks.py`, `text_runs.py`, `attributes.py`, `open_elements.py`,
   `scanner.py` (the loop over the bytes).
2. `features/` describes each block by numbers: `columns.py` (their names), `page_structure.py`, `token_weights.py`;
   `shape.py`, `repeats.py` and `text.py` fill groups of columns, `first_pass.py` calls them. `second_pass.py` adds what
   the first forest says of the blocks around.
3. `gbdt.py` applies a forest, `model.py` reads the weights (`weights.npz`), `choose.py` decides which blocks to take.
4. `inline_marks.py`, `table.py` and `render.py` write the chosen blocks as text or Markdown.
5. `engine.py` puts these together: `extract_blocks` is what `extract/engines.py` calls.
6. `training/` (`gold.py`, `labels.py`, `vocabulary.py`) and `train.py` make the weights; the engine does not need them.

Arrays of records (NumPy structured arrays) go between them: in kernels `blocks[b].words`, outside `blocks["words"]`.
Nothing is kept between pages.
"""
