"""One folder a page, named as its notebook: what it measures, its tables, figures and rules, and its words.

`measure.py` alone touches the world; the others read records (lib/store/run.py) and nothing else.
"""

import lib.runners  # noqa: F401  enters what the backends are called (lib/experiment/candidate.py)
