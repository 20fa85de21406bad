"""What logmetrics costs, beside other programs, beside what is possible at all, and as things grow.

    python -m bench [--size quick|full] [SECTION...]

A section is a module with two functions:

- `run(size, directory)` measures and gives what it found, as values that JSON can hold. *directory* is empty at the start
  of the first section, is shared by all of them (for logs that several need), and is removed at the end.
- `show(raw)` makes a `Section` of that: paragraphs, tables and plots for RESULTS.md. It measures nothing, so that
  RESULTS.md can be written again from results.json.

`SECTIONS` in `__main__` lists them in the order of RESULTS.md.
"""
