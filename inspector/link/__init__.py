"""Line and web: the messages, the line's server, the web's client, and pictures through shared memory.

The line is the server of a local socket and never waits for anyone; the web may die at any time.
"""
