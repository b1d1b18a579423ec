"""Long work that a person asks for on a screen: each a short-lived process of its own, never in the line or the web.

What is asked for, how far it is and what came of it are files in a folder, so that they outlive every process. The web
asks (`folder`), the supervisor runs one at a time (`runner`), and the work itself reports through `context`.
"""
