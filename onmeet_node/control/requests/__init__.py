"""Requests: everything that may be asked of a running node, typed, with what each field takes.

The command line, programs on the control socket and the app's pages ask the same ones; `catalogue`
has the command that does each. Their modules are light: the command line loads the one it needs.
"""
