"""The whole station as one file, and back: what belongs to it (`inventory`), the archive (`archive`), putting it in
place (`restore`).

What other systems keep is not in it: a PostgreSQL database, the MQTT password, the API's token.
"""
