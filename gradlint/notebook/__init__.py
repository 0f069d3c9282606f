"""Notebooks: the Python cells of an .ipynb file as one module, and the way back from its lines to cells.

    bytes --document--> cells --ipython--> Python --module--> one text --Notebook.place--> cell and line

Everything behind this folder sees an ordinary module; only when a report is made are its places told in cells. Knows the
file format and IPython's additions to Python, and nothing of what is found in the code.
"""

from gradlint.notebook.document import Cell, NotebookError, cells, edited, rewritten
from gradlint.notebook.ipython import python
from gradlint.notebook.module import Notebook, Syntax, notebook

__all__ = [
    "SUFFIX", "Cell", "Notebook", "NotebookError", "Syntax", "cells", "edited", "notebook", "python", "rewritten",
]  # fmt: skip

SUFFIX = ".ipynb"
