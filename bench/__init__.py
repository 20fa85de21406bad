"""What logmetrics costs, beside other programs, beside what is possible at all, and as things grow.

    python -m bench [--size quick|full] [SECTION...]

A section is a module with two functions:

- `run(size, directory)` measures and gives what it found, as values that JSON can hold. All sections share *directory*,
  for the logs that several of them need; it is empty at first and removed at the end.
- `show(raw)` makes a `Section` of that: paragraphs, tables and plots for RESULTS.md. It measures nothing, so that
  RESULTS.md can be written again from results.json.

`SECTIONS` in `__main__` lists them in the order of RESULTS.md.
"""
