"""Images and labels: where they come from, and the only preprocessing."""
