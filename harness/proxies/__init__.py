"""The proxies: programs in front of an endpoint. `catalog.py` lists them; nothing is imported here, as the processes of
the emulator, which live in this room, would load what all the others need.

In: the config of a hop, and the endpoint behind it.
Out: an endpoint in front of it, for as long as the run lasts.
Enter: `measure/` and who lists what there is; a proxy knows launchers, and no client or backend.
"""
