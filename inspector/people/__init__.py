"""People: who may use the station, and what they changed.

The web's own database, the only one it writes: accounts, the audit log, and whatever else people put in.
"""
