"""The PLC side: one published handshake, and what carries it."""
