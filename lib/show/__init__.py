"""What notebooks display: tables and figures, in both languages."""
