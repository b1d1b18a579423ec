"""The web process: the HTTP API, the live channel and the plain page. It reads records and status and owns nothing.

It may die at any time and the line does not notice: all it has is the link's client and the store's read side.
"""
