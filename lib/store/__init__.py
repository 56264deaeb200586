"""What is kept: artifacts by content, records, files."""
