"""As fast as the machine goes: every way to call a model, and what people use instead, in the same rounds (notebook 10)."""
