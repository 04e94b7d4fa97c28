"""What a plugin may change while it loads, by mistake: what belongs to the process is saved, restored and reported.

``settings`` is the table of the process's settings, ``code`` compares modules and classes, ``streams`` keeps printed
text, ``ending`` keeps a plugin from ending the process. ``graphnet.plugins.guard`` combines them.
"""
