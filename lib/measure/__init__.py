"""How things are timed, answered and compared."""
