"""Any two runs against each other: before and after a change, two machines, two versions."""
