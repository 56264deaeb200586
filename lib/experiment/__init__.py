"""What is asked: the profile, the precisions, the candidates, the system."""
