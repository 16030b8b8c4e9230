"""A client of server-sent events, which acknowledges each before it asks for more; prints what it got.

    events.py HOST:PORT
"""

import http.client
import sys

stream = http.client.HTTPConnection(sys.argv[1], timeout=20)
stream.request("GET", "/events", headers={"Accept": "text/event-stream"})
answer = stream.getresponse()
print(answer.status, answer.getheader("content-type"), answer.getheader("transfer-encoding"))
number = 0
for line in answer:
    print(line)
    if line == b"\n":
        other = http.client.HTTPConnection(sys.argv[1], timeout=20)
        other.request("POST", f"/acknowledge/{number}")
        print(other.getresponse().read())
        other.close()
        number += 1
