# network.py - tries to reach whatever it is told of, and says what came of each attempt.
import errno
import json
import os
import socket
import sys

asked = json.load(sys.stdin)
os.environ['RES_OPTIONS'] = 'timeout:1 attempts:1'
rows = []


def attempt(what, act):
    try:
        got = act()
    except socket.timeout:
        got = 'timed out'
    except socket.gaierror as e:
        got = 'not resolved (%s)' % e.args[0]
    except OSError as e:
        got = errno.errorcode.get(e.errno, str(e))
    rows.append({'what': what, 'got': got})


def stream(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(1)
        s.connect(address)
        s.sendall(asked['nonce'].encode())
    return 'connected'


def datagram(family, address):
    with socket.socket(family, socket.SOCK_DGRAM) as s:
        s.settimeout(1)
        s.sendto(asked['nonce'].encode(), address)
    return 'sent'


def raw():
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP).close()
    return 'made'


for target in asked['targets']:
    kind, host, port = target['kind'], target.get('host'), target.get('port')
    if kind == 'unix':
        attempt('unix socket ' + target['path'], lambda: stream(socket.AF_UNIX, target['path']))
    elif kind == 'abstract':
        attempt('abstract socket', lambda: stream(socket.AF_UNIX, '\0' + target['path']))
    elif kind == 'udp':
        attempt('UDP %s port %d' % (host, port), lambda: datagram(socket.AF_INET, (host, port)))
    else:
        family = socket.AF_INET6 if ':' in host else socket.AF_INET
        attempt('TCP %s port %d' % (host, port), lambda: stream(family, (host, port)))
attempt('look up %s.invalid' % asked['nonce'],
        lambda: 'resolved: %s' % socket.getaddrinfo(asked['nonce'] + '.invalid', 80)[0][4][0])
attempt('look up example.com', lambda: 'resolved: %s' % socket.getaddrinfo('example.com', 80)[0][4][0])
if hasattr(socket, 'AF_VSOCK'):
    attempt('vsock to the host', lambda: stream(socket.AF_VSOCK, (2, 9999)))
attempt('raw socket', raw)
try:
    namespace = os.stat('/proc/self/ns/net').st_ino
except OSError:
    namespace = 0
print(json.dumps({'rows': rows, 'namespace': namespace}))
