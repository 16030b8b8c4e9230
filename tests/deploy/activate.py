"""Runs a command as systemd does with a socket unit: `activate.py COMMAND…` prints the socket's address first, then becomes
the command, with the listening socket as descriptor 3 (sd_listen_fds)."""

import os
import socket
import sys

listener = socket.create_server(("127.0.0.1", 0))
print("%s:%d" % listener.getsockname(), flush=True)
os.dup2(listener.fileno(), 3)  # inheritable, unlike the original
if listener.fileno() != 3:
    listener.close()
os.set_inheritable(3, True)
# The process keeps its number when it becomes the command.
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
command = [word.replace("ADDRESS", "%s:%d" % socket.socket(fileno=os.dup(3)).getsockname()) for word in sys.argv[1:]]
os.execv(command[0], command)
