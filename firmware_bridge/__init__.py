"""The reject controller side."""
