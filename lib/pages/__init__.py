"""One folder a page: what it measures, its tables, figures and rules."""
