"""From notebooks to pages: run.py executes them (papermill), render.py makes the pages (nbconvert)."""
