"""What each notebook measures and concludes: its records, its tables' rows and its findings by rule."""
