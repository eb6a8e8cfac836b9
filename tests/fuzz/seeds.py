#!/usr/bin/env python3
"""The inputs that fuzzing begins with, one directory a target, and dictionaries.

seeds.py DESCRIPTION OUT: DESCRIPTION is what describe.c prints. Written to OUT/NAME/* and OUT/NAME.dict. Everything is
made here, from the formats as their documents give them; nothing depends on time or chance, so a replay is the same
everywhere."""
import base64
import bz2
import gzip
import io
import json
import lzma
import pathlib
import shutil
import struct
import sys
import tarfile
import zipfile
import zlib

seeds = {}
words = {}


def seed(target, *contents):
    for c in contents:
        seeds.setdefault(target, []).append(c if isinstance(c, bytes) else c.encode())


def dictionary(target, *tokens):
    words.setdefault(target, []).extend(t if isinstance(t, bytes) else t.encode() for t in tokens)


# ---- HTTP ----

def multipart(*parts, boundary='b', end=True):
    body = ''.join(f'--{boundary}\r\n{head}\r\n\r\n{value}\r\n' for head, value in parts)
    return body + (f'--{boundary}--\r\n' if end else '')


TEXT = 'Content-Disposition: form-data; name="params"'
FILE = 'Content-Disposition: form-data; name="f"; filename="a.jpg"\r\nContent-Type: image/jpeg'
MULTIPART = 'multipart/form-data; boundary=b\n'
for cut in '\x00\x01\x07\x7f':
    seed('form',
         cut + MULTIPART + multipart((TEXT, '{"a":1}'), (FILE, '\x01\r\n--\x02')),
         cut + MULTIPART + multipart((FILE.replace('a.jpg', ''), '')),
         cut + MULTIPART + multipart((FILE, 'x\r\n--bb\r\n-'), end=False),
         cut + 'multipart/form-data; boundary="a b"; charset=x\n' + multipart((TEXT, 'v'), boundary='a b'),
         cut + MULTIPART + 'preamble\r\n' + multipart((TEXT.replace('"params"', 'x'), '')) + 'epilogue',
         cut + MULTIPART + multipart(("content-disposition:form-data;name=x;filename*=UTF-8''%e2%82%ac.txt", 'v')),
         cut + 'application/x-www-form-urlencoded\na=1&b=%20+&c&=d&%41=%ff',
         cut + 'application/x-www-form-urlencoded; charset=utf-8\nparams=%7B%7D&signature=sha384:0')
dictionary('form', '\r\n--b\r\n', '\r\n--b--', '--b', '\r\n\r\n', 'Content-Disposition: form-data; name="', 'filename="', "filename*=UTF-8''",
           'Content-Type: ', 'Content-Transfer-Encoding: base64', 'multipart/form-data; boundary=', 'application/x-www-form-urlencoded\n', '%00', '&', '=')

seed('form_param', 'form-data; name="a b"; filename="C:\\\\x\\y\\"z.jpg"', "attachment; filename*=UTF-8''%e2%82%ac%20x; filename=e",
     "form-data; name=plain; filename*=iso-8859-1'en'%A3", 'multipart/form-data; boundary="----=_x/"; charset="utf-8"', ';;; =; name=', 'a; name="unclosed')
dictionary('form_param', 'name=', 'filename=', 'filename*=', "UTF-8''", "iso-8859-1''", '; ', '\\"', '%00', '/../')

seed('transcript',
     b'\x02{"text": "a b", "words": [{"word": "a", "start": 0, "end": 0.5}, {"word": "b", "start": 1, "end": 2}], '
     b'"segments": [{"text": " a b", "start": 0, "end": 2, "speaker": "A"}]}',
     b'\x0a{"segments": [{"text": "x --> y", "start": 0, "end": 9, "words": [{"word": "x", "start": 1, "end": 2, '
     b'"speaker": 7}]}, {"text": "<z>&", "start": 9, "end": 10, "speaker": "B"}]}')
dictionary('transcript', '"text"', '"words"', '"word"', '"segments"', '"start"', '"end"', '"speaker"', ' --> ', '1e9')

seed('ftp_list',
     'type=file;size=5;modify=20310101000000; a b\r\ntype=cdir; .\r\nType=OS.unix=slink:/etc; l\r\ntype=dir;;; d\n',
     'total 8\n-rw-r--r--   1 u g   10 Jan 31 12:00  a b\nlrwxrwxrwx 1 u g 4 Jan  1  2031 l -> /etc\n'
     'drwxr-xr-x+ 2 u 0 2031-01-31 12:00 d\nsrw------- 1 u g 0 1 Jan 12:00 \xff\xfe',
     '01-31-31  12:00PM                   10 a b\r\n01-31-2031  12:00       <DIR>          d\r\n',
     '\n \n=; \ntype=; \n-\n----------\n', '\uf7ff\uf780\uf77f\u20ac\n')
dictionary('ftp_list', 'type=', 'size=', ';', '; ', 'cdir', 'OS.unix=slink', 'Jan', ' 12:00 ', ' -> ', '<DIR>',
           '2031-01-31', '-rw-r--r--', '01-31-31', b'\xef\x9e\x80')
seed('ai_schema',
     '{"type":"object","properties":{"a":{"type":["integer","null"]}},"required":["a"],'
     '"additionalProperties":false}\n{"a":1}',
     '{"$defs":{"t":{"items":{"$ref":"#/$defs/t"},"maxItems":2}},"$ref":"#/$defs/t"}\n[[],[[]]]',
     '{"anyOf":[{"$ref":"#"},{"enum":[1,"a"]}]}\n"a"', '{"oneOf":[{"minimum":1},{"maxLength":3}],"const":2}\n2.0',
     '{"$ref":"#/definitions/x"}\n[]')
seed('endpoint', 'dropbox=http://127.0.0.1:8080', 's3=https://s3.example/a/,box=http://b///,', 'dropbx=http://a', 'box',
     'box=ftp://a', 'box=http://', 'box=http:///a', 'box=http://u@h', 'box=http://h?x',
     'azure=https://[::1]:1/x#', ',,,',
     'box=http://h/\x01', 'box=http://\xff', 'google=http://a,google=https://b')
dictionary('endpoint', 'http://', 'https://', '=', ',', 'box', 'azure', 'google', 'vimeo', '@', '[::1]')


def place_of(who, key, family=1, first=0):
    address = struct.pack('<HB', family, first) + b'workcell-place:' + key
    return bytes((who, len(address))) + address


KEYS = (b'00000000000000aa', b'ffffffffffffffff', b'', b'?', b'00zz', b'-000000000000001', b'0' * 17,
        b'00\0' + b'0' * 13)
seed('places', *(place_of(0, k) + place_of(1, k) + place_of(0, b'?') + place_of(1, b'') for k in KEYS),
     b''.join(place_of(i % 3, k) for i, k in enumerate(KEYS * 3)), place_of(0, KEYS[0], family=2),
     place_of(0, KEYS[0], first=47), b'\0\2\1\0')
dictionary('places', b'workcell-place:', b'\1\0\0workcell-place:', b'?', KEYS[0], KEYS[1])
seed('trial', '{"did": 15}', '{"did": 0}', '{"error": "can not\\n be", "code": "SFTP_STORE_FAILURE", "none": false}',
     '{"error": "no", "code": "", "none": true}', '{}', '{"error": null}', '{"did": 1, "error": "x"}', '[{"did": 1}]',
     '{"error": "' + '\u00e9' * 1100 + '"}', '{"error": "x", "code": "' + 'A' * 70 + '"}', '[' * 30, 'null',
     '{"access_token": "a", "refresh_token": "r", "expires_in": 3900}', '{"refused": "no"}',
     '{"error": "later", "code": "BOX_STORE_FAILURE"}')
dictionary('trial', '"did"', '"error"', '"code"', '"none"', '"access_token"', '"refresh_token"', '"expires_in"',
           '"refused"', 'true', 'false', '\\u0000', '\\ud83d\\ude00')


def sftp_entry(name, kind=0o100644, flags=4, size=3):
    number = lambda v: (lambda t: bytes((len(t),)) + t)(v.to_bytes((v.bit_length() + 7) // 8, 'big'))
    return bytes((0, flags)) + number(size) + number(kind) + number(0) + bytes((len(name),)) + name


def sftp_attributes(flags=5, size=3, kind=0o100644, mtime=7):
    return sftp_entry(b'', kind, flags, size)[:-1]


DONE = b'\0\0\0\0\0\0'
sftp_file = b'\0' + sftp_attributes() + b'\0' + b'\0\3' + b'\0\0'
seed('sftp',
     b'{"path": "a.txt"}\n' + sftp_attributes() + b'\0' + b'\0\3' + b'\0\0',
     b'{"path": "d/", "recursive": true}\n' + b'\0' + sftp_entry(b'a') + sftp_entry(b'..', 0o40755) +
     sftp_entry(b'sub', 0o40755) + sftp_entry(b'l', 0o120777) + DONE + sftp_file * 3,
     b'{"path": "d/"}\n' + b'\0' + sftp_entry(b'a/b') + DONE,
     b'{"path": "d/"}\n' + b'\0' + sftp_entry(b'\xff\xfe\0') + DONE,
     b'{"path": "d/"}\n' + b'\0' + sftp_entry(b'a', flags=0) + sftp_attributes() + DONE + sftp_file,
     b'{"path": ["a", "b"], "ignore_errors": ["import"]}\n' + bytes((202,)) +
     sftp_attributes(size=1 << 63) + b'\0\0\xff' * 9,
     b'{"path": "d/"}\n' + b'\0\0\0\0\0\0\xff' + b'n' * 300)
dictionary('sftp', '"path"', '"recursive": true', '"ignore_errors"', '..', '/', b'\xed\x41', b'\x81\xa4', b'\xa1\xff')


def ssh_string(b):
    return struct.pack('>I', len(b)) + b


def ssh_key(kind=b'ssh-rsa', cipher=b'none', count=1, checks=(7, 7), bits=1024, cut=0):
    number = lambda v: ssh_string(b'\0' + v.to_bytes(bits // 8, 'big'))
    n, d = (1 << bits - 1) + 12345, (1 << bits - 3) + 1
    open_half = ssh_string(kind) + ssh_string(b'\1\0\1') + number(n)
    hidden = struct.pack('>II', *checks) + ssh_string(kind) + number(n) + ssh_string(b'\1\0\1') + \
        number(d) + number(3) * 3
    all_of_it = (b'openssh-key-v1\0' + ssh_string(cipher) + ssh_string(b'none') + ssh_string(b'') +
                 struct.pack('>I', count) +
                 ssh_string(open_half) + ssh_string(hidden + ssh_string(b'a comment') + b'\1\2\3'))
    text = base64.encodebytes(all_of_it[:len(all_of_it) - cut])
    return b'-----BEGIN OPENSSH PRIVATE KEY-----\n' + text + b'-----END OPENSSH PRIVATE KEY-----\n'


seed('ssh_key', ssh_key(), ssh_key(bits=2048), ssh_key(kind=b'ssh-ed25519'), ssh_key(cipher=b'aes256-ctr'),
     ssh_key(count=2),
     ssh_key(checks=(1, 2)), ssh_key(cut=400), ssh_key(bits=64), ssh_key(bits=16384),
     b'-----BEGIN RSA PRIVATE KEY-----\nMAA=\n-----END RSA PRIVATE KEY-----\n',
     b'-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMAA=\n')
dictionary('ssh_key', 'BEGIN', 'OPENSSH PRIVATE KEY', 'RSA PRIVATE KEY', 'b3BlbnNzaC1rZXktdjE', 'c3NoLXJzY', '-----')
seed('range', *(s + r for s in '\x00\x03\x06' for r in ('bytes=0-4', 'bytes=5-', 'bytes=-3', 'bytes=4-2', 'bytes=99-', 'bytes= 1-2', 'bytes=-0', 'bytes=0-0,2-3',
                                                       'bytes=9223372036854775807-', 'items=0-1', 'bytes=-9223372036854775808')))
dictionary('range', 'bytes=', '-', ',', '18446744073709551616')

seed('http', *('\x00' + r.replace('\n', '\r\n') for r in (
    'GET /a%20b?a=1&b=%41+c&c HTTP/1.1\nHost: x\n\n',
    'GET /file HTTP/1.1\nHost: x\nRange: bytes=5-9\n\nGET /file HTTP/1.1\nHost: x\nRange: bytes=-1\nConnection: close\n\n',
    'POST /sink HTTP/1.1\nHost: x\nContent-Length: 3\n\nabcGET /x HTTP/1.1\nHost: x\n\n',
    'POST /sink HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n',
    'POST /cut HTTP/1.1\nHost: x\nContent-Length: 9\n\nabcdefghi',
    'POST /drop HTTP/1.1\nHost: x\nContent-Length: 9\n\nabcdefghi',
    'POST /wait HTTP/1.1\nHost: x\nContent-Length: 2\nExpect: 100-continue\n\nab',
    'PUT /refuse HTTP/1.1\nHost: x\nContent-Length: 2\n\nab',
    'GET /late HTTP/1.1\nHost: x\n\nGET /stream HTTP/1.1\nHost: x\n\n',
    'GET /stream HTTP/1.0\n\n',
    'POST /x?%00 HTTP/1.1\nHost: x\nX-HTTP-Method-Override: delete\nContent-Length: 0\n\n',
    'HEAD http://h/p%zz HTTP/1.1\nHost: x\n\n',
    'OPTIONS * HTTP/1.1\nHost: x\nHost: y\nContent-Length: 1\nContent-Length: 2\n\n',
    'POST /a HTTP/1.1\nHost: x\nContent-Length: 1\nTransfer-Encoding: chunked\n\n0\n\n')))
dictionary('http', 'GET /', 'POST /', 'HEAD ', ' HTTP/1.1\r\n', ' HTTP/1.0\r\n', 'Host: x\r\n', '\r\n\r\n', 'Content-Length: ', 'Transfer-Encoding: chunked\r\n', 'Connection: close\r\n',
           'Connection: keep-alive\r\n', 'Expect: 100-continue\r\n', 'Range: bytes=', 'X-HTTP-Method-Override: ', '0\r\n\r\n', '/wait', '/late', '/cut', '/drop', '/refuse', '/stream', '/file',
           '%00', '%zz', '?a=', '&', 'http://h', 'Upgrade: websocket\r\n')

seed('proxy', 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\nConnection: close, X-Own\r\nX-Own: 1\r\nSet-Cookie: a=b\r\n',
     'HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n', 'HTTP/1.1 200\nTransfer-Encoding: chunked\nContent-Length: 5\nContent-Length: 5\n',
     'HTTP/2 304 \r\nETag: "x"\r\nno header\r\n', 'HTTP/1.1 999999999999 X\nA:\n : b\nB b: c\n')
dictionary('proxy', 'HTTP/1.1 ', 'Connection: ', 'Content-Length: ', 'Transfer-Encoding: ', 'Upgrade: websocket', 'Keep-Alive', 'Trailer: ', 'TE: ')

# ---- WebSocket, Engine.IO, Socket.IO ----


def frame(opcode, payload, fin=True, mask=True, length=None, rsv=0):
    payload = payload if isinstance(payload, bytes) else payload.encode()
    n = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | rsv | opcode])
    bit = 0x80 if mask else 0
    head += bytes([bit | n]) if n < 126 else bytes([bit | 126]) + struct.pack('>H', n) if n < 65536 else bytes([bit | 127]) + struct.pack('>Q', n)
    key = b'abcd' if mask else b''
    return head + key + (bytes(c ^ key[i % 4] for i, c in enumerate(payload)) if mask else payload)


HANDSHAKE = b'websocket\nkeep-alive, Upgrade\ndGhlIHNhbXBsZSBub25jZQ==\n13\n'
for early in b'\x00', b'\x40':
    seed('websocket',
         HANDSHAKE + early + b'\x3f' + frame(1, 'hello'),
         HANDSHAKE + early + b'\x05' + frame(1, 'he', fin=False) + b'\x20' + frame(9, 'ping') + b'\x07' + frame(0, 'llo'),
         HANDSHAKE + early + b'\x3f' + frame(1, 'bye') + b'\x3f' + frame(8, struct.pack('>H', 1000)),
         HANDSHAKE + early + b'\x3f' + frame(2, b'\x00') + frame(1, b'\xff'),
         HANDSHAKE + early + b'\x3f' + frame(1, 'x', mask=False),
         HANDSHAKE + early + b'\x3f' + frame(1, 'x', length=1 << 40),
         HANDSHAKE + early + b'\x3f' + frame(1, 'y' * 700, fin=False) + frame(0, 'y' * 700),
         HANDSHAKE + early + b'\x3f' + frame(9, 'p' * 125) * 5,
         HANDSHAKE + early + b'\x3f' + frame(0, 'x') + frame(11, ''),
         HANDSHAKE + early + b'\x3f' + frame(1, 'x', rsv=0x40))
seed('websocket', b'h2c, websocket\nUpgrade\nshort\n13\n', b'websocket\nUpgrade\ndGhlIHNhbXBsZSBub25jZQ==\n8\n')
dictionary('websocket', HANDSHAKE, frame(1, 'a'), frame(8, ''), frame(9, ''), frame(10, ''), frame(0, ''), b'\x81\xfe', b'\x81\xff', b'\x01\x80abcd')

for version in '\x00\x01':
    for body in ('2probe', '4{"a":1}', '5:40/x,', '1:26:42["a"]', '42["assembly_connect",{"id":"0"}]', '40\x1e2\x1e42["a",1]', '41/admin,', '43/ns,12[]', '4451-["a",{"_placeholder":true,"num":0}]',
                 '3:4€2', '99999999999999999999:4', '0:', '40/a?b=c,{}', 'bAAEC', '2:4\ud83d\ude00' if False else '3:4😀'):
        seed('packet', version + body)
dictionary('packet', '42["', '40', '41', '/ns,', '\x1e', '1:', '2:', '12', '_placeholder', 'b4', '2probe', '5', '6')

# ---- requests by URL ----
seed('cdn', '\n/cdn/acme/thumbs/cats%2Ftom%201.jpg\nauth_key=k&exp=1935817689000&h=90&w=120&sig=sha256%3A00',
     'acme.cdn.test:80\n/t/a/b\nw=1&w=2&%C3%BC=%F0%9F%98%80', '\n/cdn/w/t/%252e%252e%5c..\n',
     '\n/cdn/w/t/a\n' + '&'.join(f'a{i}=b+c' for i in range(101)), 'A-1.CDN.test\n//\ns=1&&=&a',
     '\n/cdn/w/t/x?y\n%EF%BF%BF=1&%73ig=2')
dictionary('cdn', '/cdn/', 'auth_key=', 'exp=', 'sig=', 'sha256:', '%2F', '%2e', '%25', '..', '%00', '%C3%BC', '+', '&',
           '\n')

# ---- tus ----
b64 = lambda s: base64.b64encode(s.encode()).decode()
seed('tus', 'm' + f'filename {b64("a.jpg")},fieldname {b64("f")},assembly_url {b64("http://x/assemblies/" + "0" * 32)},x {b64("y")},empty',
     'm' + f'assembly_url {b64("/assemblies/1/assemblies/" + "a" * 40)}, k  {b64("v")} ,,', 'mname !!!', 'mk ' + 'A' * 300, 'mfilename,filename YQ,filename YWI=',
     'csha1 ' + 'A' * 27 + '=', 'cmd5 ' + 'A' * 22 + '==', 'csha256 ' + 'A' * 43 + '=', 'csha1 ', 'ccrc32 AAAA', 'csha256 ' + 'A' * 65,
     'p/resumable/files/' + 'a' * 32 + ' ' + 'http://x/' + 'b' * 32, 'p' + 'c' * 32, 'p  ', 'p/', 's0', 's12345', 's-1', 's999999999999999999', 's1e3', 's')
dictionary('tus', 'assembly_url ', 'filename ', 'fieldname ', 'sha1 ', 'md5 ', 'sha256 ', b64('/assemblies/'), 'a' * 32, ',', ' ')

# ---- workers ----
for body in ('0hello {"pid":1}\n', '0job {"id":1,"robot":"/image/resize"}\n', '0output {"id":1,"file":{"name":"x"}}\n', '1\x01output @\n{"a":1}', '1\x02output @\n{"a":1}', '1\x03output @\n[]',
             '1\x05output @\n', '2\x01\x05output @\n{"a":{}}', '2\x06\x07done {}\n', '4\x05\x05\x05\x05done {}\n', '3\x01\x05\x06done @\n{}', '1\x04done @\n', '1\x08progress {"fraction":0.5}\n', '0nothing {}\n',
             '0done []\n', '0done {\n0done {}\n1\x05done {}\n', '0done\n', '0 {}\n'):
    seed('wire', body)


def messages():
    text = (pathlib.Path(__file__).parent / '../../src/worker/messages.def').read_text()
    return [line.split('"')[1] for line in text.splitlines() if line.startswith('X(')]


dictionary('wire', *(m + ' ' for m in messages()), '@\n', '{"', '":')
seed('wire', *(f'0{m} {{"id":1,"code":5,"file":{{}},"token":null}}\n' for m in messages()))

# ---- Robots and instructions ----


def value_of(o):
    kind = o['type']
    if kind == 'choice':
        return o['choices'][-1]
    if kind in ('integer', 'number'):
        return o.get('min', 1) or o.get('max', 1)
    return {'boolean': True, 'text': 'x', 'json': ['a', {'b': 1}]}[kind]


def robots(description):
    for r in description['robots']:
        options = r['options']
        required = {o['name']: value_of(o) for o in options if o['required']}
        steps = [dict(required), {**required, **{o['name']: value_of(o) for o in options}}, {o['name']: '${file.meta.width}' for o in options}, {o['name']: '1px' for o in options},
                 {o['name']: None for o in options}, {n: True for n in r['not_built']}]
        steps += [{**required, o['name']: v} for o in options if o['type'] == 'json' for v in ('a', {'x1': '1', 'y1': '50%', 'x2': 3, 'y2': 4}, [1, 'a=b'], '#ff0000')]
        lines = '\n'.join(json.dumps(s) for s in steps)
        seed('options', *(f'{mark}{r["name"]}\n{json.dumps(s)}' for mark in ('', '~') for s in steps[:3]), f'{r["name"]}\n{lines}', f'~{r["name"]}\n{lines}')
        dictionary('options', r['name'], *('"%s":' % o['name'] for o in options), *('"%s"' % c for o in options for c in o.get('choices', [])))
        dictionary('assembly', '"%s"' % r['name'])
    dictionary('options', '${file.width}', 'null', 'true', '"100px"', '1e300', '-1', '"credentials":{')
    seed('options', '/s3/store\n{"bucket":"b","key":"k","secret":"s","credentials":{"key":"a","secret":"b","bucket":"c"}}')


RESIZE = {'robot': '/image/resize', 'use': ':original', 'width': 5}
STORE = {'robot': '/s3/store', 'use': 'a', 'bucket': 'b', 'key': 'k', 'secret': 's', 'path': '${file.id}/${file.name}'}
IMPORT = {'robot': '/http/import', 'url': 'http://x/a.jpg', 'import_on_errors': ['meta']}


def history(first, *events):
    return '\n'.join([json.dumps(first)] + [f'{name} {json.dumps(data)}' for name, data in events])


UPLOADED = ('file_uploaded', {'file': {'n': 0, 'name': 'a b.JPG', 'size': 9, 'md5': 'x', 'field': 'f', 'user_meta': {'k': 'v'}}})
PROBED = [('job_started', {'job': 0}), ('job_output', {'job': 0, 'index': 0, 'same': {'input': 0, 'mime': 'image/jpeg', 'ext': 'jpg', 'meta': {'width': 3}}}), ('job_done', {'job': 0, 'exec_us': 5})]
MADE = [('job_started', {'job': 1}), ('job_output', {'job': 1, 'index': 0, 'file': {'n': 1, 'name': 'y.png', 'ext': 'png', 'mime': 'image/png', 'size': 4, 'md5': 'm', 'meta': {'width': 1}, 'extra': {'e': 1}, 'input': 0}})]
STORED = [('job_started', {'job': 2}), ('job_undo', {'job': 2, 'token': {'path': 'p'}}), ('job_output', {'job': 2, 'index': 0, 'stored': {'input': 0, 'url': 'http://s/1', 'ssl_url': 'https://s/1', 'extra': {'x': 1}, 'meta': {'v': 2}}}),
          ('job_undo', {'job': 2, 'token': None}), ('job_done', {'job': 2})]
ONE = {'steps': {'a': RESIZE}, 'expected': 0}


def assemblies(description):
    seed('assembly',
         history(ONE), history({**ONE, 'body_done': False, 'expected': 1}, UPLOADED, *PROBED, *MADE, ('job_done', {'job': 1}), ('body_done', {'bytes': 9, 'files': 1})),
         history({'steps': {'a': RESIZE, 's': STORE}, 'body_done': False}, UPLOADED, ('body_done', {'bytes': 3}), *PROBED, *MADE, ('job_done', {'job': 1}), *STORED),
         history({'steps': {'i': IMPORT, 'a': {**RESIZE, 'use': 'i', 'result': True}}}, ('job_started', {'job': 0}), ('job_progress', {'job': 0, 'fraction': 0.4}),
                 ('job_output', {'job': 0, 'index': 0, 'file': {'n': 0, 'name': 'z.jpg', 'size': 3, 'extra': {'import_url': 'u', 'original_path': '/p/', 'from_batch_import': True}}}), ('job_done', {'job': 0}), ('job_started', {'job': 1}),
                 ('job_failed', {'job': 1, 'code': 3, 'name': 'X', 'msg': 'm', 'retry': 'never'})),
         history({**ONE, 'body_done': False, 'expected': 2, 'max_size': 20, 'max_files': 2}, ('upload_created', {'id': 0, 'filename': 'a', 'size': -1}), ('upload_length', {'id': 0, 'size': 5}), ('upload_offset', {'id': 0, 'offset': 3}),
                 ('upload_created', {'id': 1, 'filename': 'b', 'size': 30}), ('upload_removed', {'id': 0}), ('file_uploaded', {'upload': 1, 'file': {'n': 2, 'size': 3}}), ('body_done', {'bytes': 0})),
         history({**ONE, 'body_done': False, 'expected': 2}, ('file_reserved', {'size': 5}), ('file_added', {'size': 5, 'filename': 'q', 'url': 'http://x/q'}), ('cancel', {}), ('cancel_settled', {'jobs_stopped': 1})),
         history({**ONE, 'body_done': False}, UPLOADED, ('body_cut', {'bytes': 3}), ('cancel', {})), history({**ONE, 'body_done': False}, ('body_bytes', {'bytes': 7}), ('form_fields', {'fields': {'a': 'b'}}), ('expire', {})),
         history({**ONE, 'body_done': False}, ('fail', {'name': 'MAX_SIZE_EXCEEDED', 'msg': 'm'}), ('notify', {'notify_status': 'sent', 'notify_response_code': 200})),
         history({'steps': {'a': {**RESIZE, 'ignore_errors': ['meta', 'execute']}}, 'body_done': False, 'expected': 1}, UPLOADED, ('job_started', {'job': 0}), ('job_failed', {'job': 0, 'retry': 'later', 'msg': 'x'}),
                 ('job_failed', {'job': 0, 'retry': 'now', 'name': 'Y'}), ('body_done', {})),
         history({'steps': {':original': {'robot': '/upload/handle'}, 'a': {**RESIZE, 'use': {'steps': [{'name': ':original', 'as': 'x', 'fields': 'f'}], 'bundle_steps': True, 'group_by_original': True}}, 'b': {**RESIZE, 'use': ['a', ':original']}}},
                 UPLOADED, *PROBED, *MADE),
         history({'steps': {'a': {**RESIZE, 'use': 'b'}, 'b': {**RESIZE, 'use': 'a'}}}), history({'steps': {'a': {**RESIZE, 'use': 'nobody'}}}), history({'steps': {'a': {'robot': '/no/robot'}}}), history({'steps': []}),
         history({'steps': {'a': {**RESIZE, 'width': '${fields.w}', 'output_meta': {'has_transparency': True}, 'interpolate': {'width': False}}}, 'fields': {'w': '7'}, 'notification_payload': {'exclude': ['results']}}, UPLOADED, *PROBED, *MADE))
    note = {'user_meta': {'n': '${file.size + 1}', 'w': '${file.meta.width}'}}
    upload = {'robot': '/upload/handle', **note}
    noted = {':original': upload, 'a': {**RESIZE, 'result': True, **note}, 's': {**STORE, **note}}
    seed('assembly', history(
        {'steps': noted, 'body_done': False}, UPLOADED, ('body_done', {'bytes': 3}), *PROBED,
        ('job_values', {'job': 1, 'values': [[4]]}), ('job_started', {'job': 2}),
        ('job_output', {**MADE[1][1], 'job': 2}),
        ('job_done', {'job': 2}), ('job_started', {'job': 3}), ('job_values', {'job': 3, 'values': [[4]]}),
        ('job_output', {**STORED[2][1], 'job': 4}), ('job_done', {'job': 4}),
        ('job_failed', {'job': 5, 'retry': 'never', 'msg': 'm'})))
    for name in description['events']:
        dictionary('assembly', f'{name} {{')
    dictionary('assembly', ':original', '"use":', '"result":true', '"ignore_errors":["meta"]', '"job":1', '"same":{', '"stored":{', '"file":{', '"input":', '"mime":"image/png"', '"early":true', '"retry":"now"', '"index":1', '"upload":1',
               '"bundle_steps":true', '"group_by_original":true', '"queue":"batch"', '"fields":', '"as":', '${file.meta.width}', '${fields.a}')


WORLD = json.dumps({'file': {'id': '1', 'name': 'a b.jpg', 'basename': 'a b', 'ext': 'jpg', 'size': 7, 'meta': {'width': 3, 'a': [1, {'b': None}], 'x y': 2.5}}, 'fields': {'a': 'b', 'n': ['1', '2']}})
seed('variables', *(f'{WORLD}\n{json.dumps(p)}' for p in (
    {'a': '${file.meta.width}', 'b': 'x${file.name}y', 'c': ['${fields.n[1]}', {'d': '${file.meta["x y"]}'}]}, {'a': '${file.meta.a[1].b}', 'b': '${fields.none}'}, {'a': '${1+1}'}, {'a': '${file.url_name}', 'b': '${previous_step.name}'},
    {'a': '${"}"}', 'b': '${`${1}`}', 'c': '${'}, {'a': '\\${x}', 'interpolate': {'a': False}}, {'a': '${unique_prefix}/${assembly.id}', 'robot': '${x}', '${fields.a}': 1}, {'a': '${file.meta.a[99999999999999999999]}'}, {'a': '${ file . name }'},
    {'b': "${/[/}]/.test('}') ? `${'`'}` : a / 2} and ${f({ x: '}' }) /* } */} and ${y // }\n}",
     'interpolate': {'b': 'true', 'a': True}}, {'b': '${file.name.length}${fields.n.length}'})))
dictionary('variables', '`', '/', '//', '/*', '*/', '"', "'", '\\', ' return ')
dictionary('variables', '${', '}', 'file.', 'fields.', 'assembly.id', 'unique_prefix', 'previous_step.name', '.meta', '[0]', '["a"]', '"interpolate":{')

# ---- what is in files ----


def tiff(entries, order='<', sub=b''):
    head = (b'II*\0' if order == '<' else b'MM\0*') + struct.pack(order + 'I', 8)
    data = b''
    at = 8 + 2 + 12 * len(entries) + 4
    ifd = struct.pack(order + 'H', len(entries))
    for tag, kind, count, value in entries:
        if isinstance(value, int):
            value = struct.pack(order + ('I' if kind in (4, 13) else 'HH'), *((value,) if kind in (4, 13) else (value, 0)))
        if len(value) > 4:
            ifd += struct.pack(order + 'HHII', tag, kind, count, at + len(data))
            data += value
        else:
            ifd += struct.pack(order + 'HHI', tag, kind, count) + value.ljust(4, b'\0')
    return head + ifd + struct.pack(order + 'I', 0) + data + sub


def rationals(order, *pairs):
    return b''.join(struct.pack(order + 'II', *p) for p in pairs)


for order in '<', '>':
    r = lambda *pairs, order=order: rationals(order, *pairs)
    image = [(0x010E, 2, 6, b'title\0'), (0x010F, 2, 4, b'Cam\0'), (0x0110, 2, 2, b'M\0'), (0x0112, 3, 1, 6), (0x011A, 5, 1, r((72, 1))), (0x0131, 2, 5, b'Soft\0'), (0x0132, 2, 20, b'2031:05:06 07:08:09\0'),
             (0x013B, 2, 3, b'me\0'), (0x8298, 2, 3, b'(c)'), (0x9C9B, 1, 6, 'xyz'.encode('utf-16le'))]
    photo = [(0x829A, 5, 1, r((1, 200))), (0x829D, 5, 1, r((28, 10))), (0x8827, 3, 1, 100), (0x9003, 2, 20, b'2031:05:06 07:08:09\0'), (0x9209, 3, 1, 25), (0x920A, 5, 1, r((50, 1))), (0xA001, 3, 1, 1), (0x9201, 10, 1, r((7, 1))),
             (0x9204, 10, 1, r((0, 0))), (0xA403, 3, 1, 1), (0xA434, 2, 4, b'Lens')]
    gps = [(1, 2, 2, b'N\0'), (2, 5, 3, r((52, 1), (30, 1), (0, 0))), (3, 2, 2, b'W\0'), (4, 5, 3, r((13, 1), (24, 1), (36, 1))), (5, 1, 1, b'\1'), (6, 5, 1, r((35, 1)))]
    for pointer, entries in (0x8769, photo), (0x8825, gps), (0, []):
        base = image + ([(pointer, 4, 1, 0)] if pointer else [])
        sub = tiff(entries, order)[8:]
        whole = tiff(base, order)
        block = tiff(image + ([(pointer, 4, 1, len(whole))] if pointer else []), order, sub) if pointer else whole
        seed('exif', block, b'Exif\0\0' + block, block[:-9])
    seed('exif', tiff([(0x8769, 4, 1, 8), (0x8825, 4, 1, 8)], order), tiff([(0x010E, 2, 0xFFFFFFFF, b'12345')], order))
dictionary('exif', b'II*\0', b'MM\0*', b'Exif\0\0', struct.pack('<H', 0x8769), struct.pack('>H', 0x8769), struct.pack('<H', 0x8825), struct.pack('>H', 0x8825), b'2031:05:06 07:08:09\0')


def iim(record, data, text):
    return b'\x1c' + bytes([record, data]) + struct.pack('>H', len(text)) + text


IIM = iim(1, 90, b'\x1b%G') + iim(2, 5, b'title') + iim(2, 25, b'key') + iim(2, 25, b'word') + iim(2, 55, b'20310506') + iim(2, 80, b'me') + iim(2, 90, b'town') + iim(2, 116, b'(c)') + iim(2, 120, b'text')


def resource(number, data, name=b''):
    return b'8BIM' + struct.pack('>H', number) + bytes([len(name)]) + name + (b'' if len(name) % 2 else b'\0') + struct.pack('>I', len(data)) + data + (b'\0' if len(data) % 2 else b'')


seed('iptc', IIM, resource(0x0404, IIM), b'Photoshop 3.0\0' + resource(0x0404, IIM) + resource(2999, b'\x04path') + resource(2000, b'x' * 26, b'clip'), iim(2, 5, b'')[:-1], b'\x1c\x02\x05\x80\x04\0\0\0\5title',
     resource(0x0404, IIM)[:-5], IIM[:-3], iim(2, 120, b'\xff\xfe'))
dictionary('iptc', b'8BIM', b'Photoshop 3.0\0', b'\x1c\x02', b'\x04\x04', b'\x0b\xb7', b'\x80\x04')

XMP = ('<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
       'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/" xmp:CreatorTool="t" photoshop:City="c" xmp:CreateDate="2031-05-06T07:08:09+01:00"><dc:title><rdf:Alt><rdf:li xml:lang="x-default">title'
       '</rdf:li></rdf:Alt></dc:title><dc:subject><rdf:Bag><rdf:li>a</rdf:li><rdf:li>b</rdf:li></rdf:Bag></dc:subject><exif:DateTimeOriginal>2031:05:06 07:08:09</exif:DateTimeOriginal></rdf:Description></rdf:RDF></x:xmpmeta>')
seed('xmp', XMP, '<?xpacket begin="" id="x"?>' + XMP + '<?xpacket end="w"?>', XMP[:-40], '<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;">]>' + XMP.replace('title<', '&c;<'), XMP.replace('x:xmpmeta', 'rdf:RDF', 1), '<rdf:RDF/>', '<a><b><c/></b></a>')
dictionary('xmp', '<rdf:Description ', '<dc:subject>', '<rdf:li>', '</rdf:li>', '<rdf:Alt>', 'xmp:CreateDate="', 'xmlns:dc="http://purl.org/dc/elements/1.1/"', '<![CDATA[', '&#0;', '&a;', '<!ENTITY ', '<?xpacket')
seed('svg', '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 20.5"/>', '<?xml version="1.0"?><!-- x --><svg viewBox=" 0,0,1e3 , 5"><g/></svg>', '<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]><svg viewBox="0 0 &a; 1">&a;</svg>',
     '<svg viewBox="0 0 nan inf"', '<s:svg xmlns:s="x" viewBox="a"/>', '<svg viewBox="0 0 1e999 -1"/>')
seed('speech',
     '<speak xml:lang="en-US"><p><s>One <break time="2s" strength="weak"/> two</s></p><audio src="/x">three</audio></speak>',
     '<prosody rate="50%" pitch="+2st">a</prosody><sub alias="b">c</sub>',
     '<speak><voice name="../x" xml:lang="fr" gender="female">[[a]]</voice><![CDATA[<audio>]]></speak>',
     '<!DOCTYPE speak [<!ENTITY a "b">]><speak>&a;</speak>', '[[a]] b', '\x7f\x00\x07 ',
     '<speak><lang xml:lang="de">a</lang><say-as interpret-as="date">1</say-as>&lt;audio&gt;</speak>')
dictionary('speech', '<speak>', '</speak>', '<audio src="', '<voice name="', '<break time="', 'xml:lang="',
           '<![CDATA[', ']]>', '[[', '&lt;', '&#91;', '&#1;')
dictionary('svg', '<svg ', 'viewBox="', '0 0 ', '<!DOCTYPE ', '<!ENTITY ', 'SYSTEM "', '1e308', 'nan')

MARKS = [b'\xff\xd8\xff\xe0', b'\x89PNG\r\n\x1a\n', b'GIF89a', b'RIFF\0\0\0\0WEBPVP8 ', b'RIFF\0\0\0\0WAVEfmt ', b'RIFF\0\0\0\0AVI LIST', b'\0\0\0\x1cftypavif\0\0\0\0avifmif1', b'\0\0\0\x18ftypheic', b'\0\0\0\x14ftypqt  ', b'\0\0\0\x14ftypM4A ',
         b'%PDF-1.7', b'OggS\0\2\0\0\0\0\0\0\0\0\x80theora', b'OggS\0\2OpusHead', b'ID3\3\0', b'\xff\xfb\x90\x44', b'fLaC', b'\x1aE\xdf\xa3webm', b'\x1aE\xdf\xa3matroska', b'PK\3\4', b'II*\0', b'BM', b'8BPS\0\1', b'<svg', b'<?xml ?><svg>', b'<html>',
         b'WEBVTT\n', b'1\n00:00:01,000 --> ', b'{\\rtf1', b'\0asm', b'\x7fELF', b'\0\0\1\0', b'FORM\0\0\0\0AIFF', b'FLV\1', b'\0\0\0\x0cjP  \r\n\x87\n', b'\xff\x0a', b'text', b'\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1', b'\x30\x26\xb2\x75']
seed('mime', *(name + b'\n' + m + b'\0' * 8 for name, m in zip([b'a.jpg', b'a.docx', b'', b'x.svg', b'b.mkv', b'c.', b'.md', b'a.b.csv'] * 9, MARKS)), b'e.epub\nPK\3\4', b'x.svg\n<?xml version="1.0"?>\n<a:svg/>', b'\n')
dictionary('mime', *MARKS, b'ftyp', b'.svg\n', b'.docx\n', b'.mkv\n', b'.json\n')


def probe(streams, fmt):
    return json.dumps({'streams': streams, 'format': fmt})


VIDEO = {'index': 0, 'codec_type': 'video', 'codec_name': 'h264', 'profile': 'High', 'width': 320, 'height': 240, 'pix_fmt': 'yuv420p10le', 'avg_frame_rate': '30000/1001', 'r_frame_rate': '0/0', 'sample_aspect_ratio': '1:1', 'display_aspect_ratio': '4:3',
         'duration': '1.5', 'bit_rate': '900', 'tags': {'rotate': '90', 'creation_time': '2031-05-06T07:08:09.000000Z'}, 'side_data_list': [{'rotation': -90}], 'color_space': 'bt709', 'disposition': {'attached_pic': 0}, 'nb_frames': '45'}
AUDIO = {'index': 1, 'codec_type': 'audio', 'codec_name': 'aac', 'sample_rate': '44100', 'channels': 2, 'bit_rate': '128000', 'bits_per_sample': 16, 'tags': {'language': 'eng'}}
FORMAT = {'format_name': 'mov,mp4,m4a', 'duration': '1.500', 'bit_rate': '1000', 'tags': {'title': 't', 'artist': 'a', 'track': '1/2', 'date': '2031', 'location': '+52.1+013.2/', 'com.apple.quicktime.location.ISO6709': '+1-2/'}}
PDF = 'Title: t\nAuthor: a\nPages: 3\nPage size: 595.28 x 841.89 pts (A4)\nCreationDate: 2020-01-09T12:02:08+01\nModDate: 2020-01-09T12:02:08Z\n'
for look in '\0\1\3\4\5\6':
    seed('probe', look + '\0' + probe([VIDEO, AUDIO], FORMAT), look + '\1' + probe([{**VIDEO, 'disposition': {'attached_pic': 1}}, AUDIO], FORMAT) + '\n%%\nmean_volume: -20.5 dB\n')
seed('probe', '\0\0{', '\0\0' + probe([], {}), '\0\1' + probe([{'codec_type': 'subtitle'}, {'codec_type': 5}, None, 3], []), '\0\1' + probe([{**VIDEO, 'width': 1e300, 'height': '-1', 'avg_frame_rate': '1/0', 'duration': 'N/A'}], {'duration': 'nan', 'bit_rate': -1}),
     '\2\0' + PDF, '\2\0Pages: -1\nPage size: nan x inf\nCreationDate: ' + '9' * 40 + '\nTitle\n', '\7\0')
dictionary('probe', *('"%s":' % k for k in {**VIDEO, **AUDIO, **FORMAT, **FORMAT['tags']}), 'Pages: ', 'Page size: ', 'CreationDate: ', 'mean_volume: ', '\n%%\n', '"N/A"', '"attached_pic":1', '1/0', '1e308')


# ---- a worker's messages: a line each, and what is done meanwhile (fuzz_pool.c) ----

FILE = 'Woutput {"index":%d,"file":{"path":"out/%d","name":"x","meta":{"a":[1,2,{"b":null}]},"extra":{},"input":-1}}'
seed('pool', *('\n'.join(lines) for lines in (
    ('J0', 'Wtaken {}', 'Wprogress {"fraction":0.5}', 'Wdone {"exec_us":1}'),
    ('J1', 'Wtaken {}', 'Ff0', FILE % (0, 0), 'Fl2', FILE % (1, 2), 'Wdone {"exec_us":1}'),
    ('J2', 'Wtaken {}', 'Woutput {"index":0,"clone":{"input":0,"meta":{}}}', 'Wdone {"exec_us":1}', 'J3', 'K'),
    ('J3', 'Wtaken {}', 'Wundo {"token":{"a":1}}', 'Wundo {"token":null}', 'Wfailed {"code":3,"name":"","msg":"m","detail":"d","private":false}'),
    ('J4', 'Wtaken {}', 'Woutput {"index":0,"same":{"input":0,"mime":"a/b","ext":"a","early":true}}', 'S', 'T', 'N', 'Wup {}'),
    ('Woutput {"index":0,"stored":{"input":0,"url":"http://a/","ssl_url":"https://a/","extra":{}}}', 'U3progress {"fraction":0.5}', 'D1progress {"fraction":0.5}', 'D7taken {}'),
    ('Zgone {"worker":1,"status":9,"killed":1}', 'Zspawned {"worker":2,"error":"no"}', 'Zready {"complete":true,"notes":[]}', 'Cup {}'))))
dictionary('pool', '"index":', '"file":', '"clone":', '"same":', '"stored":', '"input":', '"path":"out/', '"meta":', '"token":', '"fraction":', '"exec_us":', 'Wtaken {}', 'Wdone ', 'Wfailed ',
           'Woutput ', 'Wundo ', 'Wprogress ', 'Zgone ', 'Cposted ', 'Moutput ', '\nJ1\n', '\nK\n', '9223372036854775807')

# ---- what other servers say ----
ERROR = '<?xml version="1.0"?><Error><Code>{}</Code><Message>m</Message><Region>eu-central-1</Region></Error>'
OK = '200\netag: "x"\nx-amz-version-id: v\n\n'
NEXT = '\n%%\n'
REGION = '200\nx-amz-bucket-region: eu-west-1\n\n'
INITIATED = '200\n\n<InitiateMultipartUploadResult xmlns="x"><UploadId>u1</UploadId></InitiateMultipartUploadResult>'
COMPLETED = '200\n\n<CompleteMultipartUploadResult><ETag>"e-1"</ETag></CompleteMultipartUploadResult>'
LIST = '200\n\n<ListMultipartUploadsResult><IsTruncated>{}</IsTruncated><NextKeyMarker>k</NextKeyMarker><NextUploadIdMarker>m</NextUploadIdMarker><Upload><Key>k</Key><UploadId>u</UploadId><Initiated>2031-05-06T07:08:09.000Z</Initiated></Upload></ListMultipartUploadsResult>'
for first in '\0\1\2\3':
    seed('s3', first + NEXT.join([REGION, OK]), first + NEXT.join([OK, INITIATED, OK, COMPLETED]), first + NEXT.join([INITIATED, OK, COMPLETED]), first + NEXT.join([INITIATED, OK, '200\n\n' + ERROR.format('InternalError'), '404\n\n', OK]),
         first + NEXT.join([REGION, '400\n\n' + ERROR.format('AuthorizationHeaderMalformed'), OK]), first + NEXT.join([REGION, '403\ndate: Tue, 06 May 2031 07:08:09 GMT\n\n' + ERROR.format('RequestTimeTooSkewed'), OK]),
         first + NEXT.join([REGION, '503\n\n' + ERROR.format('SlowDown'), '0\n\n', OK]), first + NEXT.join([REGION, INITIATED, '500\n\n', '0\n', '0\n', '0\n', '204\n\n', LIST.format('false')]),
         first + NEXT.join([REGION, '0\n\n', '0\n\n', '0\n\n', '0\n\n', LIST.format('true'), '204\n\n', LIST.format('false'), '204\n\n']))
seed('s3', '\4' + NEXT.join([REGION, OK, '200\n\nworkcell doctor was here\n', '204\n\n']), '\4' + NEXT.join([REGION, OK, '200\n\nother', '403\n\n' + ERROR.format('AccessDenied')]))
def listed(keys, more, token=''):
    contents = ''.join(f'<Contents><Key>{k}</Key><ETag>&quot;e&quot;</ETag><Size>3</Size></Contents>' for k in keys)
    return ('200\n\n<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f'<EncodingType>url</EncodingType>{contents}<CommonPrefixes><Prefix>d/e/</Prefix></CommonPrefixes>'
            f'<IsTruncated>{more}</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>'
            '</ListBucketResult>')


LISTED = ('d/', 'd/a%2Bb+c%0A', '../../x', '/abs/%5Cy', 'd/%C3%A9')
SUMMED = ('200\netag: "900150983cd24fb0d6963f7d28e17f72"\nx-amz-checksum-crc32c: Nks/tw==\n'
          'x-amz-checksum-sha1: qZk+NkcGgWq6PiVxeFDCbJzQ2J0=\ncontent-length: 3\n\nabc')
PART = '206\netag: "e"\ncontent-range: bytes 0-3/9\n\nabcd'
B2 = '200\n\n{"apiInfo":{"storageApi":{"s3ApiUrl":"https://s3.us-west-004.backblazeb2.com"}}}'
for first, answers in (
        ('\x08', [REGION, listed(LISTED, 'true', 't1'), SUMMED, SUMMED, listed(LISTED, 'false'), SUMMED, SUMMED]),
        ('\x09', [REGION, listed(LISTED, 'true', 't1'), listed(LISTED, 'true', 't2'), SUMMED,
                  '404\n\n' + ERROR.format('NoSuchKey')]),
        ('\x09', ['403\n\n', '403\nx-amz-bucket-region: eu-west-1\n\n', '403\n\n', listed((), 'false')]),
        ('\x0a', [PART, '206\netag: "e"\ncontent-range: bytes 7-8/9\n\nhi']),
        ('\x0a', [PART, '412\n\n' + ERROR.format('PreconditionFailed'), '200\n\nabc']),
        ('\x0b', [B2, SUMMED]), ('\x0b', ['401\n\n{"code":"unauthorized"}'])):
    seed('s3', first + NEXT.join(answers))
dictionary('s3', '<Error>', '<Code>', '</Code>', '<UploadId>', '</UploadId>', '<Upload>', '<Key>', '<Initiated>', '<IsTruncated>true</IsTruncated>', 'x-amz-bucket-region: ', 'etag: ', 'date: Tue, 06 May 2031 07:08:09 GMT\n', NEXT,
           '200\n', '206\n', '403\n', '412\n', '503\n', '0\n', 'InternalError', 'RequestTimeTooSkewed', 'Signature=',
           'AuthorizationHeaderMalformed', '<!DOCTYPE ', '<ListBucketResult>', '<Contents><Key>', '%2e%2e%2f',
           '<EncodingType>url</EncodingType>', '<NextContinuationToken>', 'content-range: bytes ',
           'x-amz-checksum-crc32: ')
BLOBS = '<?xml version="1.0"?><EnumerationResults><Blobs>{}</Blobs><NextMarker>{}</NextMarker></EnumerationResults>'
BLOB = '<Blob><Name{}>{}</Name><Properties><ResourceType>{}</ResourceType></Properties>' \
    '<Metadata><hdi_isfolder>{}</hdi_isfolder></Metadata></Blob>'
PART = '206\ncontent-range: bytes 0-2/3\netag: "e"\n' \
    'content-type: text/plain\nx-ms-blob-content-md5: kAFQmDzST7DWlj99KOF/cg==\n\nabc'
LISTS = [BLOBS.format(BLOB.format('', 'a/1', '', '') + BLOB.format(' Encoded="true"', 'a/%25', '', ''), 'm'),
    BLOBS.format(BLOB.format('', 'a/d', 'directory', 'true'), ''),
         BLOBS.format('<BlobPrefix><Name>a/b/</Name></BlobPrefix>' + BLOB.format('', 'a/&amp;', '', ''), '')]
seed('azure', *('\0\0' + x for x in LISTS), '\0\0<!DOCTYPE a [<!ENTITY b "c">]>' + LISTS[0])
for which in '\0\1':
    seed('azure', '\1' + which + NEXT.join(['200\n\n' + LISTS[0], PART, PART, '200\n\n' + LISTS[2], '416\n\n',
        '200\ncontent-length: 0\n\n']),
         '\1' + which + NEXT.join(['200\n\n' + LISTS[2], PART.replace('0-2/3', '0-2/6'), PART.replace('0-2/3',
             '3-5/6')]),
         '\1' + which + NEXT.join(['403\ndate: Tue, 06 May 2031 07:08:09 GMT\n\n' + ERROR.format('AuthenticationFailed'), '404\n\n']),
         '\2' + which + NEXT.join(['0\n', '503\nretry-after: 1\n\n', '201\n\n']),
         '\3' + which + NEXT.join(['201\n\n'] * 2 + ['400\nx-ms-error-code: InvalidBlockList\n\n'] + ['201\n\n'] * 3),
          '\3' + which + '403\n\n' + ERROR.format('c2VjcmV0IGtleQ=='))
dictionary('azure', '<Blob>', '</Blob>', '<Name Encoded="true">', '</Name>', '<NextMarker>',
    '<ResourceType>directory', '<hdi_isfolder>true', '&amp;', '&#x2f;', '%00', '%2F',
    '<![CDATA[', ']]>', '<!DOCTYPE ', NEXT,
           '206\n', '416\n', '412\n', 'content-range: bytes 0-2/3\n', 'etag: "e"\n', 'x-ms-error-code: InvalidBlockList\n')

ACCESS = ('{"access": {"token": {"id": "t"}, "user": {"RAX-AUTH:defaultRegion": "DFW"}, "serviceCatalog": ['
    '{"type": "object-store", "endpoints": [{"region": "DFW", "publicURL": "https://h/v1/a"}]}, '
    '{"type": "rax:object-cdn", "endpoints": [{"region": "DFW", "publicURL": "https://c/v1"}]}]}}')
OBJECTS = '[{"name": "a/1", "bytes": 3, "hash": "x", "content_type": "a/b"}, {"subdir": "a/b/"}]'
SUM = '206\ncontent-range: bytes 0-2/3\netag: 900150983cd24fb0d6963f7d28e17f72\n\nabc'
LARGE = '200\nx-static-large-object: True\nx-object-meta-workcell-segments: 00000000000000000000000000000001-2\n\n'
seed('swift', '\0\0' + OBJECTS, '\0\0[]', '\0\0[{"name": "d/", "content_type": "application/directory"}]',
    '\1\0' + ACCESS + '\nDFW', '\1\0' + ACCESS + '\n')
for which in '\0\1':
    seed('swift', '\2' + which + NEXT.join(['200\n\n' + ACCESS, '200\n\n' + OBJECTS, SUM, '204\n\n']),
        '\2' + which + NEXT.join(['200\n\n' + ACCESS, '401\n\n', '200\n\n' + ACCESS, '200\n\n' + OBJECTS,
        '200\n\n' + OBJECTS, SUM, SUM]),
         '\2' + which + '401\n\n{"unauthorized": {"message": "the secret"}}',
         '\3' + which + NEXT.join(['200\n\n' + ACCESS, '404\n\n', '201\n\n',
             '204\nx-cdn-enabled: True\nx-cdn-uri: http://c\nx-cdn-ssl-uri: https://c\n\n']),
         '\3' + which + NEXT.join(['200\n\n' + ACCESS, LARGE, '201\n\n', '204\n\n', '204\n\n']),
         '\4' + which + NEXT.join(['200\n\n' + ACCESS, LARGE, '202\n\n', '201\n\n', '201\n\n', '201\n\n', '204\n\n',
             '204\n\n']),
         '\4' + which + NEXT.join(['200\n\n' + ACCESS, '404\n\n', '202\n\n', '201\n\n', '422\n\n', '404\n\n',
             '204\n\n', '204\n\n', '404\n\n', '404\n\n', '404\n\n']))
dictionary('swift', '"access":', '"token":', '"serviceCatalog":', '"type":"object-store"', '"endpoints":',
    '"region":', '"publicURL":"https://', '"subdir":', '"name":', '"content_type":"application/directory"', NEXT,
           '206\n', '401\n', '404\n', '422\n', 'x-static-large-object: True\n', 'x-object-meta-workcell-segments: ', 'x-cdn-enabled: True\n', 'x-cdn-uri: ')
def cloud(which, *answers, large=False):
    """which: the row of fuzz_cloud.c. An answer is (status, what it says as JSON), or a text."""
    seed('cloud', (chr(which) if not large else chr(which + 128)).encode('latin-1') +
         NEXT.join(a if isinstance(a, str) else f'{a[0]}\n\n{json.dumps(a[1])}' for a in answers).encode())


HASH = '4f8b42c22dd3729b519ba6f68d2da7cc5b2d606d05daed5ad5128cc03e6c6358'  # Dropbox's of "abc"
SHA1 = 'a9993e364706816aba3e25717850c26c9cd0d89d'
WRITES = {'error': {'.tag': 'path', 'reason': {'.tag': 'too_many_write_operations'}}}
OFFSET = {'error': {'.tag': 'lookup_failed', 'lookup_failed': {'.tag': 'incorrect_offset', 'correct_offset': 50}}}
RESULT = 'dropbox-api-result: ' + json.dumps(
    {'name': 'a.txt', 'rev': 'r', 'size': 3, 'content_hash': HASH, 'path_display': '/in/a.txt'})
for first in 0, 1:
    token = [(200, {'access_token': 'a', 'expires_in': 100})] if first else []
    cloud(first, *token, (409, WRITES), (200, {'content_hash': HASH}),
          (409, {'error': {'.tag': 'shared_link_already_exists'}}), (200, {'links': [{'url': 'https://x/'}]}))
    cloud(first, *token, (200, {'session_id': 's'}), (409, OFFSET), '200\n\nnull', (409, OFFSET), '200\n\nnull',
          (409, OFFSET), (200, {'content_hash': HASH}), large=True)
cloud(2, (200, {'entries': [{'.tag': 'file', 'path_display': '/in/a'}], 'cursor': 'c', 'has_more': True}),
      f'200\n{RESULT}\n\nabc', (200, {'entries': [], 'cursor': 'd', 'has_more': False}))
cloud(3, f'200\n{RESULT}\ncontent-length: 3\n\na', f'206\n{RESULT}\ncontent-range: bytes 1-2/3\n\nbc')
IN_USE = {'code': 'item_name_in_use', 'context_info': {'conflicts': [{'type': 'folder', 'id': '5'}]}}
IN_USE_FILE = {'code': 'item_name_in_use', 'context_info': {'conflicts': {'type': 'file', 'id': '9', 'sha1': SHA1}}}
ENTRY = {'entries': [
    {'type': 'file', 'id': '9', 'name': 'a.txt', 'size': 3, 'sha1': SHA1, 'file_version': {'id': '3'}}]}
for first in 4, 5:
    token = [(200, {'access_token': 'a'})] if first == 5 else [(409, IN_USE)]
    cloud(first, *token, (200, {}), (201, ENTRY), (200, {'shared_link': {'url': 'https://x/'}}))
    cloud(first, *token, (409, IN_USE_FILE), (201, ENTRY))
    cloud(first, *token, (200, {}), (201, {'id': 'S', 'part_size': 60}),
          (200, {'part': {'part_id': 'A', 'offset': 0, 'size': 60}}), (409, {}),
          (200, {'entries': [{'part_id': 'B', 'offset': 60, 'size': 40}]}), '202\nretry-after: 1\n\n', (201, ENTRY),
          large=True)
cloud(6, (200, {'entries': [{'type': 'folder', 'id': '5', 'name': 'f'}], 'next_marker': 'm'}), (200, ENTRY), '202\n\n',
      '200\ncontent-length: 3\n\nabc', (200, {'entries': []}))
cloud(7, (200, {'entries': [{'type': 'folder', 'id': '5', 'name': 'in'}]}), (200, ENTRY), '200\n\nabc', (200, ENTRY))
VIDEO = {'uri': '/videos/1', 'link': 'https://vimeo.com/1', 'upload': {'upload_link': 'https://x/y'}}
cloud(8, (200, VIDEO), '0\n', '200\nupload-offset: 1\n\n', '204\nupload-offset: 3\n\n', (200, VIDEO), '204\n\n',
      '204\n\n')
cloud(8, '0\n', (200, {'data': [{'uri': '/videos/2', 'name': 'workcell-'}], 'paging': {'next': 'x'}}), (404, {}),
      (200, VIDEO))
cloud(9, (200, {'data': [{'uri': '/videos/1'}]}), (200, {'name': 'a/b', 'uri': '/videos/1', 'download': [
    {'rendition': '720p', 'link': 'https://x/y', 'size': 3, 'md5': '900150983cd24fb0d6963f7d28e17f72',
     'type': 'video/mp4'}]}),
      '200\netag: "x"\n\na', '206\ncontent-range: bytes 1-2/3\n\nbc')
for renewal in ((200, {'access_token': 'a', 'refresh_token': 'r', 'expires_in': 3900}), (200, {'access_token': 'a'}),
                (400, {'error': 'invalid_grant', 'error_description': 'the-secret has expired'}), (401, {'error': 5})):
    cloud(4, (400, {}), renewal) # the store fails, and then tokens are renewed
dictionary('cloud', '".tag":', '"error":', '"correct_offset":', '"entries":', '"cursor":', '"has_more":true', '"conflicts":',
           '"sha1":', '"next_marker":', '"part_size":', '"upload_link":', '"data":', '"rendition":', 'content-range: bytes ',
           'upload-offset: ', 'dropbox-api-result: ', 'retry-after: 60\n', NEXT, '200\n', '202\n', '206\n', '409\n', '429\n')
for step, answers in (
        ({'url': 'http://x/a.jpg'}, ['200\ncontent-type: image/jpeg\ncontent-length: 3\n\nabc']), ({'url': 'http://x/'}, ["200\ncontent-disposition: attachment; filename*=UTF-8''%e2%82%ac.jpg\n\nabc"]),
        ({'url': ['http://x/a', 'https://y/b'], 'force_name': ['c', 'd']}, ['200\n\na', '200\n\nb']), ({'url': 'http://x/a', 'range': '2-4'}, ['206\ncontent-range: bytes 2-4/9\n\nabc']),
        ({'url': 'http://x/a', 'range': ['0-1', '4-', '-2']}, ['206\ncontent-range: bytes 0-1/9\n\nab', '206\ncontent-range: bytes 4-8/9\n\nabcde', '200\n\nabcdefghi']),
        ({'url': 'http://x/a'}, ['503\nretry-after: 1\n\n', '0\n', '200\n\nx']), ({'url': 'http://x/a'}, ['404\n\nnone']), ({'url': 'http://x/a|b', 'url_delimiter': '|'}, ['200\nfinal-url http://y/%2e%2e?x=1#f\n\nx']),
        ({'url': 'https://www.dropbox.com/s/x/y.pdf?dl=0', 'headers': {'A': 'b'}}, ['206\ncontent-range: bytes 5-1/0\n\nx']), ({'url': 'http://x/a', 'headers': ['A: b\r\nC: d']}, []), ({'url': 'http://x/a', 'range': '0-'}, ['416\n\n'])):
    seed('import', json.dumps(step) + '\n' + NEXT.join(answers))
W_ETAG = 'etag: "a"\ncontent-length: 9\n'
W_PART = '206\netag: "%s"\ncontent-range: bytes %s/9\n\n%s'
for answers in (['200\n' + W_ETAG + '\nabcdefghi'],
                ['200\n' + W_ETAG + '\nabc', W_PART % ('a', '3-8', 'defghi')],
                ['429\nretry-after: Sun, 06 Nov 2094 08:49:37 GMT\n\n', '503\nretry-after: 99999999999\n\n', '200\n\nx'],
                [W_PART % ('a', '0-1', 'ab'), W_PART % ('b', '4-8', 'abcde'), '200\netag: "b"\n\nabcdefghi']):
    seed('import', json.dumps({'url': 'http://x/a', 'range': ['0-1', '4-8']}) + '\n' + NEXT.join(answers))
    seed('import', json.dumps({'url': 'http://x/a'}) + '\n' + NEXT.join(answers))
for who in range(10):
    for told in range(4):
        for script in (b'', b'\x08\x80', b'\x08\x80\x04', b'\x08\x80\x03', b'\x08\x80\x07', b'\x08\x40\x08\x40\x08\x40',
                       b'\x08\x80\x30', b'\x00\x38\x80\x00', b'\x00\x38\x20\x00', b'\xf0\x00',
                       b'\x08\x80\xf2', b'\xf4\x08\x80\xf3'):
            seed('fetch', bytes((who, told)) + script)
W_ASKS = {'robot': '/http/request', 'url': 'http://x/ask', 'payload': 'metadata'}
W_OWN = {'path': '/0123456789abcdef0123456789abcdef/a b.jpg'}
W_NEW = {'url': 'http://y/b'}
for answer in ('', '[]', json.dumps(W_OWN), json.dumps([W_OWN, W_NEW]), json.dumps({'files': {'a': W_NEW}}),
               json.dumps({'files': [{'url': 'file:///etc/passwd'}]}), '{"files":', '[' * 100):
    for more in ({}, {'payload': 'none', 'method': 'GET'}, {'payload': 'file'},
                 {'payload': 'files', 'max_result_files': 1, 'max_response_size': 20}):
        answers = ['200\n\n' + answer, '200\n\nfetched', '200\n\nfetched']
        seed('import', json.dumps(W_ASKS | more) + '\n' + NEXT.join(answers))
W_STORES = {'robot': '/tus/store', 'endpoint': 'http://x/files/', 'headers': {'X-Secret': 's'}}
W_CAN = ('204\ntus-version: 1.0.0\ntus-extension: creation,termination,checksum\n'
         'tus-checksum-algorithm: sha1,md5\n\n')
W_MADE = '201\nlocation: ../up/1\n\n'
W_AT = '200\nupload-offset: %d\nupload-length: 300\n\n'
W_TOOK = '204\nupload-offset: %d\n\n'
for answers in ([W_CAN, W_MADE, W_TOOK % 300],
                ['404\n\n', W_MADE, '0\n', W_AT % 100, W_TOOK % 300],
                [W_CAN, '307\nlocation: //y/other\n\n', '201\nlocation: http://z/1\n\n', '413\n\n', W_AT % 999999],
                [W_CAN, W_MADE, W_TOOK % 1, '410\n\n', W_MADE, '423\nretry-after: 5\n\n', '404\n\n', W_MADE, '204\n\n'],
                ['204\ntus-max-size: 5\n\n'], [W_CAN, '201\nlocation: javascript:1\n\n'],
                [W_CAN, '400\ncontent-type: text/plain\n\nwhat\x1b[2J']):
    seed('import', json.dumps(W_STORES) + '\n' + NEXT.join(answers))
dictionary('values', 'bytes ', '/', '*', '-', '"', ': ', 'http://')
seed('values', *('\0' + v for v in ('bytes 0-99/1000', 'bytes 0-0/*', 'bytes */5', 'bytes 9-1/10', 'bytes 0-9/9', '0-99',
                                    '-5', '5-', '9' * 30 + '-', 'http://a', 'http:///a', 'A: b', '{"A": "b"}')),
     *('\1' + v for v in ('["0-1", "-5", "3-"]', '["A: b", {"C": 1}]', '{"A": true, "Host": "x"}',
                          '{"A": "b\\r\\nC: d"}', '[[1]]', '{"a": {"b": 1}}')))
dictionary('import', '"url":', '"range":', '"force_name":', '"headers":', '"url_delimiter":', 'content-range: bytes ', 'content-disposition: attachment; filename=', "filename*=UTF-8''", 'content-length: ', 'final-url ', NEXT, '206\n', '200\n', '503\n')

# ---- google: the first byte modulo 5 is the Robot, or what is parsed alone; 64: a file of 100 bytes; 32: a trial ----

GOOGLE_TOKEN = '200\n\n{"access_token": "t", "expires_in": 3600}'
GOOGLE_SESSION = '200\nlocation: https://storage.googleapis.com/upload/u?upload_id=1\n\n'
GOOGLE_VIDEO_SESSION = '200\nlocation: https://www.googleapis.com/upload/u?upload_id=1\n\n'
GOOGLE_STORED = '200\n\n{"name": "a/b", "size": "%d", "generation": "7", "md5Hash": "%s"}'
GOOGLE_EMPTY_MD5 = '1B2M2Y8AsgTpgAmY7PhCfg=='
G_OK = '200\n\n'
for first, answers in (
        ('\0', [GOOGLE_TOKEN, GOOGLE_SESSION, GOOGLE_STORED % (0, GOOGLE_EMPTY_MD5)]),
        ('\0', [GOOGLE_TOKEN, GOOGLE_SESSION, GOOGLE_STORED % (3, GOOGLE_EMPTY_MD5), '204\n\n', GOOGLE_SESSION,
                '404\n\n', GOOGLE_SESSION]),
        ('A', [GOOGLE_TOKEN, GOOGLE_SESSION, '308\nrange: bytes=0-49\n\n', '503\nretry-after: 60\n\n',
               '308\nrange: bytes=0-98\n\n', '0', G_OK + '{}']),
        ('#', [GOOGLE_TOKEN, G_OK + '{}', G_OK + 'workcell tried its credentials here\n', G_OK + '{}', '204\n\n']),
        ('\1', [GOOGLE_TOKEN, G_OK + '{"name": "a", "size": "6", "generation": "1", "crc32c": "AAAAAA=="}',
                '200\ncontent-length: 6\n\nabc', '206\ncontent-range: bytes 3-5/6\n\ndef',
                G_OK + '{"items": [{"name": "d/x", "size": "1", "generation": "1"}]}', G_OK + 'x']),
        ('\2', [GOOGLE_TOKEN, G_OK + '{"nextPageToken": "t"}',
                G_OK + '{"items": [{"name": "d/"}, {"name": "x", "size": "1", "generation": "1"}, {"name": "y", '
                '"size": "1", "generation": "2", "contentEncoding": "gzip"}], "nextPageToken": "u"}',
                G_OK + 'x', '401\n\n{}', GOOGLE_TOKEN, G_OK + 'y']),
        ('\3', [GOOGLE_TOKEN, GOOGLE_VIDEO_SESSION, G_OK + '{"id": "abc"}']),
        ('D', [GOOGLE_TOKEN, GOOGLE_VIDEO_SESSION, '0', '308\nrange: bytes=0-9\n\n', '404\n\n']),
        ('\3', [GOOGLE_TOKEN, '403\n\n{"error": {"message": "No", "errors": [{"reason": "quotaExceeded"}]}}'])):
    seed('google', first + NEXT.join(answers))
seed('google', '\4bytes=0-99\nhttps://storage.googleapis.com/x\n{"items": [{"name": "a"}, {"name": "b/"}], '
     '"nextPageToken": "t", "session": "' + '00112233' * 8 + '"}\n')
dictionary('google', 'range: bytes=0-', 'location: https://storage.googleapis.com/', '"items":', '"name":', '"size":',
           'location: https://www.googleapis.com/', 'content-range: bytes ', 'retry-after: ', '"generation":',
           '"md5Hash":', '"nextPageToken":', '"access_token":', '"id":', '"error":', '"errors":', '"reason":', NEXT,
           '308\n', '200\n', '499\n', '0\n')

seed('naming', *('u' + u for u in ('http://x/a b.jpg?x=1#f', 'HTTPS://u:p@h:80/ä', 'https://www.dropbox.com/s/a/b.jpg?dl=0', 'https://drive.google.com/file/d/1AbC/view?usp=sharing', 'https://docs.google.com/document/d/1/edit', 'https://1drv.ms/u/s!x',
                                   'https://x.sharepoint.com/:i:/g/a?e=1', 'http://x?X-Amz-Signature=1&token=2&a=b', 'http://[::1]:9/%2F..%00', '//x/y', 'ftp://x', 'http://', 'http://x/%e4/')),
     *('n' + n for n in ('a/b\\c.jpg', '..', '.', 'a' * 300 + '.jpeg', 'x\x01\x7f', 'ü' * 200, ' a. ')), *('d' + d for d in ('attachment; filename="a\\"b.jpg"', "inline; filename*=UTF-8''a%20b", "filename*=iso-8859-1''%e4; filename=x", 'filename=')))
dictionary('naming', 'http://', 'https://', '@', '%2F', '?dl=0', 'drive.google.com/file/d/', 'X-Amz-Signature=', 'filename*=', "UTF-8''", 'filename="')
seed('date', '2031/05/06 07:08:09+00:00', '2031/05/06 07:08:09 GMT', '2031-05-06T07:08:09.123Z', '2031-05-06T07:08:09-11:30', '2031-05-06', 'Tue, 06 May 2031 07:08:09 GMT', '1936000000', '1936000000000', '2031-02-30T25:61:61Z', '99999-01-01', '2031/05/06 07:08', '0000-00-00T00:00:00Z')
dictionary('date', 'T', 'Z', ' GMT', '+00:00', '-23:59', '/', '9999', 'Tue, ', ' May ')
seed('json', '\7{"a":[1,2.5e3,"\\u00e4\\ud83d\\ude00",null,true]}', '\0[]', '\0[[1]]', '\3{"a":{"b":{"c":1}}}', '\7"\\', '\7{"a":1,"a":2}', '\7[1e999]', '\7[-0.0,9223372036854775807,9223372036854775808]', '\7"\\u0000"', '\2[[[[[[["]]]]]"]', '\7]]]][[[[')
dictionary('json', '\\u', '\\"', '{"', '":', '],[', '1e308', 'null', '\\ud800')
seed('text', 'a%20b+c%2F', '%', '%zz', '%00', 'YWJj', 'YQ==', 'YQ', 'ä€😀', b'\xc0\x80', b'\xed\xa0\x80', b'\xf4\x90\x80\x80', '"\\\x01')
dictionary('text', '%', '%25', '==', b'\xc2', b'\xe2\x82', b'\xf0\x9f')
for address in ('7f000001', '0a000001', 'c0a80101', 'a9fea9fe', '64400001', '08080808', 'e0000001', '00000000', 'ac1f0001'):
    v4 = bytes.fromhex(address)
    for six in (b'\0' * 10 + b'\xff\xff' + v4, b'\0\x64\xff\x9b' + b'\0' * 8 + v4, b'\x20\x02' + v4 + b'\0' * 10, b'\0' * 12 + v4):
        seed('guard', six + b'\x1f\x90')
    seed('guard', six + b'\x1f\x90127.0.0.1:8080, 10.0.0.0/8,fd00::/8,*', six + b'\0P[::1]:80,192.168.0.0/33,host.example')
dictionary('guard', '127.0.0.1', '10.0.0.0/8', '::/0', '0.0.0.0/0', '*', ',', ':80', '/129', 'fd00::/8', '[::1]:9')


# ---- codings, looks, conditions, patterns, damage ----


def gz(text):
    return gzip.compress(text, 9, mtime=0)


RAW = zlib.compressobj(9, zlib.DEFLATED, -15)
RAW = RAW.compress(b'bare bare bare') + RAW.flush()
BROTLI = bytes.fromhex('1b3600c08cd456f9c348aac3c8d2e62488020b4ce480bd2d09f0cecf0dea6532b2055d83cf2105')
PLAIN = b'a text, a text, a text' * 20
for cut in b'\0', b'\1', b'\x4d':
    one = lambda coding, body, archive=b'\0', cut=cut: b'\0' + coding + archive + cut + body
    seed('decode', one(b'\0', gz(PLAIN)), one(b'\0', gz(PLAIN) + gz(b'more')), one(b'\0', gz(b'') + b'\0\0\x1f\x8b'), one(b'\3', gz(PLAIN)[:-5]), one(b'\1', zlib.compress(PLAIN)), one(b'\1', RAW + b'x'),
         one(b'\1', b'\x78'), one(b'\2', BROTLI), one(b'\2', BROTLI + b'behind'), one(b'\2', BROTLI[:20]), one(b'\4', PLAIN), one(b'\0', gz(gz(PLAIN)), b'\1'), one(b'\0', gz(PLAIN), b'\1'), one(b'\0', gz(b'x'), b'\1'),
         one(b'\0', gz(bytes(100000))), b'\1\0\1\0' + cut + zlib.compress(gz(PLAIN)), b'\1\1\0\0' + cut + gz(zlib.compress(PLAIN)), b'\2\0\0\0\0' + cut + gz(gz(gz(PLAIN))), b'\1\0\0\0' + cut + gz(gz(bytes(1 << 22))))
seed('decode', b'\1\0\0\xff\0' + gz(gz(bytes(1 << 28))))
seed('cdp', b'{"id":1,"result":{}}\0', b'{"id":1,"error":{"message":"m"}}\0[]\0{"id":3}\0', b'\0', b'{"id":1.5}\0',
     b'{"method":"a.b","params":{"x":[1,"y"]},"sessionId":"s"}\0{"id":2}\0{"id"', b'{"method":1}\0',
     b'{"method":"m","params":' + b'[' * 40 + b']' * 40 + b'}\0')
dictionary('cdp', b'\0', b'{"id":', b'"method":"', b'"params":{', b'}\0')
dictionary('decode', b'\x1f\x8b\x08\0\0\0\0\0\2\3', b'\x78\x9c', b'\x78\xda', b'\3\0\0\0\0\0\0\0\0\0', b'\0\0\xff\xff', b'\1\0\0\xff\xff', b'\x06', b'\x1f')

for bounds in '\5\xff\xff', '\2\4\10', '\1\1\1', '\x09\x20\x40':
    seed('look', *(bounds.encode('latin-1') + t.encode() for t in (
        '{"auth":{"key":"k"},"a":[1,2]}', '{"a":1,"b":{"a":2},"a":[[]]}', '{"\\u0061uth":1,"":{},"key":null}', ' [1,{"a":2}]', '"a"', '{}', '{"a":"\\ud800","key":"\\u0000"}', '{"a":12345678901234567890,"auth":1e999}',
        '{"b":[[[[[]]]]],"auth":[{},{}]}', '{"auth":1,"auth":{"auth":[1,2,3]},"x":"\u00e4"}', '{"aut\\u0068" : true , "a" : false }', '{"a":1', '{"a" 1}')))
dictionary('look', '{"auth":', '"a":', '"":', '"key":', '\\u0061', '[[', ']]', '{}', ',', '1e999', '\\ud800', '\\u0000')

seed('select', *(bytes([i * 7 % 256, i * 3 % 256, 1 + i]) + bytes((i * j * 37 + j * 11) % 256 for j in range(40)) for i in range(60)))

for pattern, text in (('example\\.com', 'https://example.com/'), ('^(a*)*b$', 'aaaa'), ('((a{1,30}){1,30})', 'a'), ('(a|aa)+$', 'ab'), ('[^\\n]*x?\\bfoo\\B', 'xfoo '), ('(?i)\\pL+|\\d{2,}', '\u00c4b12'), ('(?P<n>.)\\Qa.b\\E', 'xa.b'),
                      ('a**', ''), ('(?=a)', 'a'), ('\\C\\z', '\x80'), ('(.*)(.*)(.*)(.*)x$', 'ab'), ('', 'x'), ('[[:alpha:]]|[a-', 'z'), ('x{1000}', 'x'), ('^.{3}$', 'abc')):
    seed('pattern', '\0' + pattern + '\n' + text, '\xff' + pattern + '\n' + text)
dictionary('pattern', '(?i)', '(?s)', '(?:', '(?P<a>', ')*', '){1,100}', '.*', '\\pL', '\\b', '\\Q', '\\E', '[^', '[[:alpha:]]', '{1000}', '\\x{', '\\z', '\\C', '|', '$', '^')


def png(*chunks):
    out = b'\x89PNG\r\n\x1a\n'
    for kind, data, wrong in chunks:
        out += struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data) ^ wrong)
    return out


IHDR = struct.pack('>IIBBBBB', 2, 2, 8, 0, 0, 0, 0)
PIXELS = zlib.compress(b'\0ab\0cd')
for wrong in (0, 0, 0), (1, 0, 0), (0, 5, 0), (0, 0, 9), (0, 5, 9):
    seed('damage', b'\2' + png((b'IHDR', IHDR, wrong[0]), (b'IDAT', PIXELS, wrong[1]), (b'IEND', b'', wrong[2])))
seed('damage', b'\2' + png((b'IHDR', IHDR, 0), (b'tEXt', b'k\0v', 1), (b'IDAT', PIXELS[:4], 0), (b'IDAT', PIXELS[4:], 0)), b'\2' + png((b'IDAT', PIXELS[:-1], 1)),
     *(bytes([0, chunks, parts, flip, 0, at, bad]) + bytes([how]) * 3 + b'some picture data ' * 4 for chunks in (0, 2) for parts in (0, 3) for flip, at in ((0, 0), (1, 9), (128, 255)) for bad in (0, 1, 6) for how in (3, 0x82, 0x80)),
     *(bytes([1, cut, 0, far, how, 20, 30, 60]) + bytes(range(50)) for cut in (0, 1, 2, 3, 9, 200) for far in (0, 1) for how in (0, 1, 2, 4, 16, 23)),
     b'\3\xff\xd8\xff\xc0\0\x0b\x08\0\1\0\1\1\1\x11\0\xff\xda\0\x08\1\1\0\0\x3f\0\xd2', b'\3\xff\xd8\xff\xe0\0\4\xff\xd9\xff', b'\3\xff\xd8\xff\xd9\0\0\0')
dictionary('damage', b'IHDR', b'IDAT', b'IEND', b'PLTE', b'tEXt', b'\xff\xd8', b'\xff\xd9', b'\xff\xda', b'\xff\xc0', b'\xff\xc2', b'\xff\xc4', b'\xff\xdb', b'\xff\xdd\0\4', b'\xff\xd0', PIXELS)

# ---- png: rows behind filters, and whole files ----

for shape in (1, 0, 0), (2, 1, 0), (8, 2, 0), (3, 3, 0), (17, 2, 1), (5, 3, 1):
    rows = bytes(i * 29 % 256 if i % 7 else i // 7 % 5 for i in range(400))
    seed('png', bytes([0, *shape, 3, 0, 0]) + rows, bytes([0, *shape, 1, 9, 4]) + rows)
for extra in (), ((b'tRNS', b'\0\0', 0),), ((b'PLTE', b'abc', 0),), ((b'ABCD', b'', 0),), ((b'tEXt', b'k\0v', 5),):
    body = png((b'IHDR', IHDR, 0), *extra, (b'IDAT', PIXELS[:4], 0), (b'IDAT', PIXELS[4:], 0), (b'IEND', b'', 0))
    seed('png', bytes([1, 1, 0, 0, 1]) + body, bytes([1, 1, 0, 0, 1]) + body[:-12])
dictionary('png', b'IHDR', b'IDAT', b'IEND', b'PLTE', b'tRNS', b'\0\0\0\x0dIHDR', PIXELS)

# ---- still: pictures as their readers get them ----

def dib(w, h, bits, mask=False):
    row = b'\x10\x20\x30\x40' * ((w * bits + 31) // 32)
    palette = bytes(range(4)) * (1 << bits) if bits <= 8 else b''
    head = struct.pack('<IiiHHIIiiII', 40, w, h * 2 if mask else h, 1, bits, 0, 0, 0, 0, 0, 0)
    return head + palette + row * abs(h) + (b'\xa0\0\0\0' * abs(h) if mask else b'')


def bmp(body):
    return struct.pack('<2sIII', b'BM', 14 + len(body), 0, 54) + body


def ico(*pictures):
    at, head, out = 6 + 16 * len(pictures), struct.pack('<HHH', 0, 1, len(pictures)), b''
    for p in pictures:
        head += struct.pack('<BBBBHHII', 2, 2, 0, 0, 1, 24, len(p), at + len(out))
        out += p
    return head + out


def psd(mode, depth, channels, packed, layers=b'', w=3, h=2):
    row = b'\x80\xfe\7' if packed else bytes(range(max(1, w * depth // 8)))
    pixels = (struct.pack('>H', len(row)) * channels * h if packed else b'') + row * channels * h
    palette = bytes(768 if mode == 2 else 0)
    head = struct.pack('>4sHIHHIIHHI', b'8BPS', 1, 0, 0, channels, h, w, depth, mode, len(palette)) + palette
    resources = struct.pack('>I', 16) + b'8BIM\4\x24\0\0\0\0\0\3abc\0'
    return head + resources + struct.pack('>I', len(layers)) + layers + struct.pack('>H', packed) + pixels


def riff(*chunks):
    body = b'WEBP'
    for kind, data in chunks:
        body += kind + struct.pack('<I', len(data)) + data + b'\0' * (len(data) % 2)
    return b'RIFF' + struct.pack('<I', len(body)) + body


TURN = b'II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0\6\0\0\0\0\0\0\0'
for bits in 1, 4, 8, 16, 24, 32:
    seed('still', b'\0' + bmp(dib(3, 2, bits)), b'\0' + bmp(dib(3, -2, bits)))
    seed('still', b'\1' + ico(dib(3, 2, bits, True), dib(2, 2, bits, True)))
seed('still', b'\1' + ico(png((b'IHDR', IHDR, 0), (b'IDAT', PIXELS, 0), (b'IEND', b'', 0))))
for how in ((3, 8, 3, 0), (3, 8, 3, 1), (3, 16, 4, 0, b'\0\0\0\2\xff\xff'), (2, 8, 1, 1), (4, 8, 4, 0),
            (1, 16, 1, 0), (0, 1, 1, 0), (8, 8, 1, 1), (9, 8, 3, 0)):
    seed('still', b'\2' + psd(*how))
for extra in (b'eXIf', TURN), (b'tEXt', b'k\0v'), (b'acTL', b'\0\0\0\1\0\0\0\0'), (b'eXIf', TURN[:9]):
    seed('still', b'\3' + png((b'IHDR', IHDR, 0), (*extra, 0), (b'IDAT', PIXELS, 0), (b'IEND', b'', 0)))
VP8X = (b'VP8X', b'\x0c\0\0\0\1\0\0\1\0\0')
for rest in (((b'VP8L', b'abc'), (b'EXIF', TURN), (b'XMP ', b'<x/>')),
             ((b'ANIM', b'123456'), (b'EXIF', b'Exif\0\0' + TURN))):
    seed('still', b'\4' + riff(VP8X, *rest))
seed('still', b'\4' + riff((b'VP8L', b'abc')), b'\4' + riff((b'VP8 ', b'abcd'))[:-2])
dictionary('still', b'8BIM', b'8BPS\0\1', b'BM', b'\x28\0\0\0', b'eXIf', b'EXIF', b'XMP ', b'VP8X', b'VP8L', b'ANMF',
           b'IDAT', b'IEND', b'acTL', b'\x89PNG\r\n\x1a\n')
seed('mime', b'a.bmp\n' + bmp(dib(3, 2, 24)), b'\n' + ico(dib(2, 2, 24, True)), b'a.psd\n' + psd(3, 8, 3, 0),
     b'\n\xff\x0a\0\x10\xb0\x13', b'\n\0\0\0\x0cJXL \r\n\x87\n', b'\nIIRO\x08\0\0\0', b'\nFUJIFILMCCD-RAW 0201',
     b'x.nef\nII*\0\x08\0\0\0\2\0\x0f\1\2\0\6\0\0\0\x26\0\0\0\x4a\1\4\0\1' + bytes(11) + b'NIKON\0')

DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9" fill="red"/></svg>'
for drawing in DRAWING, b'<?xml version="1.0" encoding="UTF-8"?>\n<!-- ' + b'long ' * 60 + b'-->' + DRAWING, b'<html/>', b'', b'\xef\xbb\xbf \n' + DRAWING, '<svg/>'.encode('utf-16'):
    for how in 0, 2, 8, 16, 32, 4:
        seed('svgz', bytes([how, 9, 200, 3]) + drawing, bytes([how, 0, 2, 1]) + drawing)
    seed('svgz', b'\1\0\xff' + gz(drawing), b'\1\0\xff' + gz(drawing) + gz(drawing) + b'\0\0', b'\1\0\xff' + gz(drawing)[:-3])
dictionary('svgz', '<svg', ' xmlns="http://www.w3.org/2000/svg"', '<?xml version="1.0"?>', '<!--', '-->', '<!DOCTYPE svg [', '<!ENTITY a "b">', b'\x1f\x8b\x08\0\0\0\0\0\2\3')

REQUEST = 'GET /a?b HTTP/1.1\nHost: x\nX:  y \n\n'
seed('head', *(cut + r.replace('\n', '\r\n') for cut in '\0\x20' for r in (
    REQUEST + REQUEST, '\n' + REQUEST, 'POST / HTTP/1.1\nHost: x\nContent-Length: 3\n\nabc' + REQUEST, 'POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n3\nabc\n0\n\n' + REQUEST,
    'POST / HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n3;a=b\nabc\n0\nT: v\n\n' + REQUEST, 'POST / HTTP/1.1\nHost: x\nContent-Length: 3\nTransfer-Encoding: chunked\n\n0\n\n' + REQUEST, 'GET http://x/p HTTP/1.1\nHost: x\n\n',
    'GET / HTTP/1.0\n\n' + REQUEST, 'GET / HTTP/1.0\nConnection: keep-alive\n\n' + REQUEST, 'GET / HTTP/1.1\nHost: x\nA: b\n c\n\n' + REQUEST, 'POST / HTTP/1.1\nHost: x\nContent-Length: 3\nContent-Length: 3\n\nabc' + REQUEST,
    'POST / HTTP/1.1\nHost: x\nContent-Length : 3\n\nabc' + REQUEST, 'GET / HTTP/1.1\nHost: x\nA\0B: c\n\n' + REQUEST, 'OPTIONS * HTTP/1.1\nHost: x\n\n', 'POST / HTTP/1.1\nHost: x\nContent-Length: 0\nExpect: 100-continue\n\n' + REQUEST)),
    *('\0' + REQUEST.replace('\n', end) + REQUEST.replace('\n', '\r\n') for end in ('\n', '\r', '\r\r\n', '\0\r\n', '\x0b\r\n', ' \r\n', '\n\r\n')),
    '\0POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n' + REQUEST.replace('\n', '\r\n'))
dictionary('head', 'GET / HTTP/1.1\r\n', 'POST / HTTP/1.1\r\n', 'Host: x\r\n', 'Content-Length: 3\r\n', 'Transfer-Encoding: chunked\r\n', '\r\n\r\n', '\r\n ', '\n', '\r', ' HTTP/1.0\r\n', 'Connection: keep-alive\r\n', '0\r\n\r\n', '3\r\nabc\r\n',
           ';a=b', '\0', '\t', ': ', ' :', 'http://x', 'Expect: 100-continue\r\n', 'Upgrade: websocket\r\n')


# ---- archives ----

def zipped(*members, how=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, 'w') as z:
        for name, data in members:
            z.writestr(zipfile.ZipInfo(name), data, how)
    return out.getvalue()


def tarred(*members, kind=tarfile.PAX_FORMAT):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode='w', format=kind) as t:
        for name, data, *more in members:
            i = tarfile.TarInfo(name)
            i.size = len(data)
            for key, value in more:
                setattr(i, key, value)
            t.addfile(i, io.BytesIO(data))
    return out.getvalue()[:4096]


def cpio(*members):
    out = b''
    for name, data in (*members, ('TRAILER!!!', b'')):
        n = name.encode() + b'\0'
        head = b'070701' + b''.join(b'%08x' % v for v in (1, 0o100644, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(n), 0))
        out += (head + n).ljust(-(-(110 + len(n)) // 4) * 4, b'\0') + data.ljust(-(-len(data) // 4) * 4, b'\0')
    return out


LINKS = (('a', b'hello'), ('h', b'', ('type', tarfile.LNKTYPE), ('linkname', 'a')),
         ('s', b'', ('type', tarfile.SYMTYPE), ('linkname', '../..')))
SPARSE = ('pax_headers', {'GNU.sparse.major': '0', 'GNU.sparse.minor': '1', 'GNU.sparse.name': 's',
                          'GNU.sparse.size': '3000', 'GNU.sparse.numblocks': '2', 'GNU.sparse.map': '0,1,2000,1'})
HEAD, SEVEN = b'Rar!\x1a\7', b'7z\xbc\xaf\x27\x1c'
for how in b'\0\1\2\4\10\20':
    seed('archive', *(bytes([how]) + a for a in (
        zipped(('a.txt', 'hello'), ('d/b', 'x' * 3000), ('../x', '')), zipped(('a', 'b'), how=zipfile.ZIP_STORED),
        zipped(('z', bytes(100000))), tarred(*LINKS), tarred(('s', b'xy', SPARSE)), tarred(('/a', b'')),
        tarred(('n' * 120, b'x'), kind=tarfile.GNU_FORMAT), gzip.compress(tarred(('a/b/c', b'hello')), mtime=0),
        gzip.compress(b'x' * 5000, mtime=0), bz2.compress(tarred(('a', b'x'))), lzma.compress(tarred(('a', b'x'))),
        cpio(('a', b'hello'), ('b/c', b'x')),
        b'!<arch>\na/'.ljust(24) + b'0           0     0     644     5         `\nhello\n',
        HEAD + b'\0', HEAD + b'\1\0', SEVEN + b'\0\4', b'MSCF\0\0\0\0', b'xar!\0\x1c\0\1',
        b'begin 644 a\n%:&5L;&\\ \n`\nend\n', b'\xed\xab\xee\xdb\3\0')))
dictionary('archive', 'PK\1\2', 'PK\3\4', 'PK\5\6', 'PK\6\6', 'PK\7\x08', '../', '/', '\\', 'ustar\x0000', 'ustar  \0',
           'GNU.sparse.map', '070701', '!<arch>\n', HEAD, SEVEN, 'MSCF', 'xar!', b'\x1f\x8b\x08', 'BZh9', b'\xfd7zXZ\0',
           b'\x28\xb5\x2f\xfd', b'\x80\0\0\0\x7f\xff\xff\xff', b'\1\x99\7\0\2\0AE')


# ---- subtitles ----

SRT = ('1\n00:00:01,000 --> 00:00:02,500\n<i>Hello</i> <b>you</b>\n- {\\an8}a & b < c\n\n'
       '2\n00:00:02,000 --> 00:00:03,000 X1:1 X2:2\n<font color="#FF8800">{\\p1}m 0 0 l 9 9{\\p0}</font>\n1984\n\n'
       '3\n0:00:04.5 --> 0:00:05\n{\\i1}{\\c&H00ff00&}C:\\new{\\pos(1,2)}{\\fnArial}\n')
VTT = ('WEBVTT - title\nkind: x\n\nSTYLE\n::cue { color: red }\n\nNOTE a\nb\n\n'
       'name\n00:01.000 --> 00:02.000 align:start line:0 position:10%\n'
       '<v Ann>Hi &lt;i&gt; <c.yellow.bg>you</c> <00:01.500>now &amp; then\n\n'
       '00:00:03.000 --> 01:00:04.000 line:-1\n<ruby>x<rt>y</rt></ruby>\n')
for text in SRT, VTT:
    seed('subtitles', text, text.replace('\n', '\r\n'), text.replace('\n', '\r'),
         b'\xef\xbb\xbf' + text.encode(), text.encode('utf-16'), text.encode('utf-16-be'), text.encode('utf-16-le'),
         text.replace('Hello', 'Gr\u00fc\u00dfe').replace('Hi', '\u4f60').encode('utf-8'),
         text.replace('Hello', 'Gr\u00fc\u00dfe').encode('latin-1'))
seed('subtitles', '00:00:01,000 --> 00:00:02,000\n--{\\q}>{{\\q}\\p1}<{\\q}i>\n' * 3, 'x', '', '1\n')
dictionary('subtitles', ' --> ', '00:00:01,000', '00:01.000', 'WEBVTT\n\n', 'NOTE', 'STYLE', 'REGION',
           '{\\', '\\an8', '\\p1', '\\i1', '\\c&H', '<i>', '</i>', '<b>', '<font color="', '</font>',
           '<c.red>', '&lt;', '&amp;', 'line:', 'align:end', '\n\n', b'\xe2\x81\xa0', b'\xff\xfe', b'\xfe\xff')


# ---- what LibreOffice gets from us ----

for text in ('name;amount\nBolt;1.50\n"a;""b""\nc";-3\n', 'a,b\r\n007,=1+1\r\n', 'sep=|\n1|2\n', 'a\tb\n', '',
             '<!DOCTYPE html><html><head lang="de"><title>x</title></head><body>\u00e4</body></html>',
             '<?xml version="1.0"?>\n<p>',
             '<svg version="1.2" viewBox="0 0 28000 15750"><g/></svg>',
             '# H\n\n| a |\n|---|\n| ~~b~~ |\n\n- [x] c\n<script>\n'):
    seed('document', text, text.encode('utf-16'), text.encode('utf-16-be'), text.encode('latin-1'))
dictionary('document', '"', '""', ';', 'sep=', '\r\n', '<head', '<html>', 'charset',
           '<svg ', 'viewBox="0 0 ', ' width=', '<?xml', b'\xff\xfe',
           b'\xef\xbb\xbf', b'\xef\xbf\xbe', '|---|', '~~', '[x]')


# ---- films and sounds: containers by hand, whose frames need not be decoded ----

def atom(name, *inside):
    body = b''.join(inside)
    return struct.pack('>I', len(body) + 8) + name + body


def full(name, *inside, version=0, flags=0):
    return atom(name, struct.pack('>I', version << 24 | flags), *inside)


def words32(*n):
    return struct.pack(f'>{len(n)}I', *(x & 0xffffffff for x in n))


UNITY = words32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
SPS = bytes.fromhex('6742c00adb02020000030002000003003c1e244d40')
PPS = bytes.fromhex('68ca83cb20')
AVCC = atom(b'avcC', b'\1\x42\xc0\x0a\xff\xe1', struct.pack('>H', len(SPS)), SPS,
            b'\1', struct.pack('>H', len(PPS)), PPS)
ESDS = full(b'esds', bytes.fromhex('031900000004114015' + '00' * 11 + '05021190060102'))
AVC1 = atom(b'avc1', bytes(6), b'\0\1', bytes(16), struct.pack('>HH', 16, 16), words32(0x480000, 0x480000, 0),
            b'\0\1', bytes(32), b'\0\x18\xff\xff', AVCC)
MP4A = atom(b'mp4a', bytes(6), b'\0\1', bytes(8), struct.pack('>HHI', 2, 16, 0), words32(48000 << 16), ESDS)


def track(kind, entry, scale, sizes, delta, offset, keys=None, late=None, edits=None):
    table = [full(b'stsd', words32(1), entry), full(b'stts', words32(1, len(sizes), delta)),
             full(b'stsc', words32(1, 1, len(sizes), 1)), full(b'stsz', words32(0, len(sizes), *sizes)),
             full(b'stco', words32(1, offset))]
    if keys:
        table.append(full(b'stss', words32(len(keys), *keys)))
    if late:
        table.append(full(b'ctts', words32(len(late), *(x for n in late for x in (1, n)))))
    head = full(b'vmhd', bytes(8)) if kind == b'vide' else full(b'smhd', bytes(4))
    where = atom(b'dinf', full(b'dref', words32(1), full(b'url ', flags=1)))
    media = atom(b'mdia', full(b'mdhd', words32(0, 0, scale, delta * len(sizes), 0x55c40000)),
                 full(b'hdlr', words32(0), kind, bytes(13)), atom(b'minf', head, where, atom(b'stbl', *table)))
    rows = [x for e in edits or () for x in (*e, 0x10000)]
    edit = atom(b'edts', full(b'elst', words32(len(edits), *rows))) if edits else b''
    number = 1 if kind == b'vide' else 2
    tkhd = full(b'tkhd', words32(0, 0, number, 0, 3000, 0, 0, 0, 0), UNITY, words32(16 << 16, 16 << 16), flags=3)
    return atom(b'trak', tkhd, edit, media)


def mp4(keys=(1, 4), late=(1024, 2048, 0, 1024, 2048, 0), edits=((3000, 1024),), sound_edits=None, name=b'isom'):
    frames = [words32(12) + (b'\x65' if i + 1 in keys else b'\x41') + bytes([0x88, i]) + bytes(9) for i in range(6)]
    sounds = [b'\x21\x10\x04\x60\x8c\x1c' for _ in range(8)]
    ftyp, at = atom(b'ftyp', name, words32(512), b'isomiso2avc1mp41'), 0
    for _ in range(2): # the second time it is known where the frames lie
        head = full(b'mvhd', words32(0, 0, 1000, 3000, 0x10000, 0x1000000, 0, 0), UNITY, bytes(24), words32(3))
        behind = at + sum(map(len, frames))
        moov = atom(b'moov', head,
                    track(b'vide', AVC1, 12800, [len(f) for f in frames], 512, at, keys, late, edits),
                    track(b'soun', MP4A, 48000, [len(f) for f in sounds], 1024, behind, edits=sound_edits))
        at = len(ftyp) + len(moov) + 8
    return ftyp + moov + atom(b'mdat', *frames, *sounds)


def wav(tag, channels, rate, bits, frames, claim=None):
    block = channels * bits // 8
    data = bytes(i * 37 % 251 for i in range(block * frames))
    form = struct.pack('<HHIIHH', tag, channels, rate, rate * block, block, bits)
    return riff_of(b'WAVE', (b'fmt ', form), (b'data', data), claim=claim)


def riff_of(kind, *chunks, claim=None):
    says = lambda name, c: len(c) if claim is None or name != b'data' else claim
    body = b''.join(name + struct.pack('<I', says(name, c)) + c + b'\0' * (len(c) % 2) for name, c in chunks)
    return b'RIFF' + struct.pack('<I', len(body) + 4) + kind + body


FILMS = (mp4(), mp4(edits=((0xffffffff, -1), (1000, 512))), mp4(edits=((500, -1), (1000, 0))),
         mp4(edits=((1000, 2048), (1000, 512))), mp4(keys=(1,)), mp4(keys=(2, 3)), mp4(late=None, edits=None),
         mp4(sound_edits=((2000, 1024),)), mp4(late=(0x80000000,) * 6, name=b'qt  '), mp4()[:-60])
for how in (b'\0\0', b'\4\0', b'\x0c\1', b'\x08\1', b'\5\2\x19\x32', b'\x14\3\5\7\x09', b'\x38\2\5\7', b'\1\1\x10',
            b'\2\0'):
    seed('segment', *(how.ljust(16, b'\0') + f for f in FILMS))
dictionary('segment', b'elst', b'ctts', b'stts', b'stss', b'stsz', b'stsc', b'stco', b'co64',
           b'moof', b'traf', b'trun', b'tfdt', b'\xff\xff\xff\xff', b'\x7f\xff\xff\xff', b'\x80\0\0\0')

AU = b'.snd' + words32(24, 0xffffffff, 3, 8000, 2) + bytes(range(200))
AIFF = (b'FORM' + words32(300) + b'AIFFCOMM' + words32(18) + b'\0\1' + words32(100) + b'\0\x10\x40\x0b\xfa' + bytes(7) +
        b'SSND' + words32(208, 0, 0) + bytes(range(200)))
SOUNDS = (*(wav(*how) for how in ((1, 1, 8000, 16, 400), (1, 2, 44100, 8, 300), (3, 2, 8000, 32, 200),
                                  (3, 1, 192000, 64, 99), (1, 6, 48000, 24, 60), (6, 1, 8000, 8, 500), (1, 0, 0, 0, 0),
                                  (1, 1, 0x7fffffff, 16, 50), (1, 64, 8000, 16, 20), (2, 1, 8000, 4, 300))),
          wav(1, 1, 8000, 16, 400, claim=0xfffffff0), AU, AIFF, mp4())
for how in (b'\0\0\0', b'\0\x10\0', b'\1\2\1', b'\0\0\2', b'\x40\0\3'):
    seed('sound', *(how + f for f in SOUNDS))
dictionary('sound', b'RIFF', b'WAVEfmt ', b'data', b'fact', b'LIST', b'RF64', b'ds64', b'AIFC', b'\xff\xff\xff\xff',
           b'\xfe\xff')

for bits in range(0, 128, 9):
    piece = bytes((bits, 20 + bits % 50, 64, 50, 100))
    form = b'a "name" <&>\x07\n' + bytes((16, 9, 3, 80, 2, 90, 7)) + piece * 7
    seed('playlist', bytes((bits & 1, bits % 4, bits % 3)) + b''.join(bytes((bits ^ n, n)) + form for n in range(4)))
dictionary('playlist', b'\x80', b'\x81', b'\x82', b'\x83', b'\x84', b'\x85', b'\x86', b'\x87', b'"\n', b'<\n')


# ---- what programs print ----

def member(path, size, attributes='', crc='', encrypted='-'):
    return (f'Path = {path}\nSize = {size}\nPacked Size = 12\nModified = 2031-01-31\nAttributes = {attributes}\n'
            f'CRC = {crc}\nEncrypted = {encrypted}\nMethod = AES\nBlock = 0\n\n')


for how in '\x00\x01\x02\x03':
    seed('seven', how + member('a.txt', 5, 'A -rw-r--r--', '0A1B2C3D', '+') + member('d', '', 'D drwxr-xr-x'),
         how + member('l', 3, 'A lrwxrwxrwx', 'FFFFFFFF') * 4, how + member('a', 2**63 - 1, crc='x') * 2,
         how + member('a', '-1'), how + 'Size = 1\nPath = a = b\n Path = c\nSize = 0\nSize = 7\nSize = 8\n',
         how + member('a', '9' * 20, crc='1' * 40, encrypted='+'))
dictionary('seven', 'Path = ', 'Size = ', 'Attributes = D', 'Attributes = A lrwx', 'CRC = ', 'Encrypted = +', ' = ',
           '9223372036854775807', '\n')

QPDF = '3\nR = 6\nP = -4\nUser password = \nSupplied password is user password\nextract for any purpose: allowed\n'
DRAWN = ('page   num  type   width height color comp bpc  enc interp  object ID x-ppi y-ppi size ratio\n' + '-' * 92 +
        '\n   1     0 image       2     1  rgb     3   8  image  no         5  0     3     1   13B 217%\n'
        '   1     1 smask     512   512  gray    1   8  jpeg   no         6  0    72    72 30.1K 3.9%\n'
        '   2     2 stencil 30000     1  -       1   1  ccitt  yes  [inline]       1     1    0B 0.0%\n'
        '  10    33 mask        1     1  cmyk    4   8  jbig2  no   [none]         1     1  1.5M 9.0%\n')
for text in ('File is not encrypted\n12\n', QPDF, 'Incorrect password supplied\n', '', '100001\n', '0\n', '9' * 30):
    seed('pdf_said', '\x00' + text)
for text in ('Pages: 1\nPage    1 MediaBox:     0.00     0.00   612.00   792.00\n', 'MediaBox: 9 9 -1 1e999',
             'MediaBox: nan inf 1 2', 'MediaBox: 1 2 3'):
    seed('pdf_said', '\x01' + text)
for text in (DRAWN, DRAWN.replace('30.1K', 'infK').replace('1.5M', '1e308G'), '  0 0 image 1 1',
             '1 0 image 999999999999 9'):
    seed('pdf_said', '\x02' + text)
for text in (b'\0one\n\n\f', b'\0o\fne', b'\1one\n\f\f', b'\2one\n\f\ftwo \n\f', b'\1one', b'\0',
             b'\1\xff\0\xc3\n\f\xed\xa0\x80\n\f'):
    seed('pdf_said', b'\3' + text)
dictionary('pdf_said', 'File is not encrypted', 'Incorrect password supplied', 'MediaBox:', ' image ', ' smask ',
           ' stencil ', ' mask ', '[inline]', '[none]', '30.1K', '1e308', 'nan', 'inf', '\f', '\n', b'\0', b'\xff',
           b'\xc3\xa9')

tsv = lambda *columns: '\t'.join(map(str, columns)) + '\n'
WORDS = (tsv('level', 'page_num', 'block_num', 'par_num', 'line_num', 'word_num', 'left', 'top', 'width', 'height',
             'conf', 'text') + ''.join(tsv(level, 1, 1, 1, 1, 0, 10, 20, 300, 40, -1, '') for level in (1, 2, 3, 4)) +
         tsv(5, 1, 1, 1, 1, 1, 10, 20, 90, 40, 96.1, 'Hello') + tsv(5, 1, 1, 1, 1, 2, 110, 20, 90, 40, 91, 'there'))
ODD = (tsv(4, 1, 1, 1, 2, 0, 'nan', '1e999', '-inf', -5, -1, '') + tsv(5, 1, 1, 1, 2, 1, 1, 1, 1, 1, 9, ' ') +
       tsv(5, '', '', '', *[1] * 11))
OSD = ('Page number: 0\nOrientation in degrees: 90\nRotate: 270\nOrientation confidence: 9.21\nScript: Latin\n'
       'Script confidence: 2.5\n')
for how in (b'\x10\x01', b'\xff\x00', b'\x00\x02'):
    for text in (WORDS, WORDS * 2 + ODD, OSD, OSD.replace('270', '-99999999999999999999'), OSD.replace('9.21', 'nan'),
                 'Rotate: 450\n'):
        seed('ocr', how + text.encode())
    seed('ocr', how + WORDS.encode() + b'5\t1\t1\t1\t1\t1\t1\t1\t1\t1\t1\t\xff\xfe\n')
dictionary('ocr', '\t', '\n', '5\t1\t1\t1\t1\t1\t', '4\t1\t1\t1\t1\t0\t', '2\t', 'nan', 'inf', '1e308', 'Rotate: ',
           'Orientation confidence: ', '90', '180')


def main():
    description = json.loads(pathlib.Path(sys.argv[1]).read_text())
    out = pathlib.Path(sys.argv[2])
    robots(description)
    assemblies(description)
    for target, contents in seeds.items():
        place = out / target
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        for i, c in enumerate(contents):
            (place / f'{i:03}').write_bytes(c)
    for target, tokens in words.items():
        quoted = (''.join(chr(b) if 32 <= b < 127 and b not in (34, 92) else f'\\x{b:02x}' for b in t) for t in dict.fromkeys(tokens) if 0 < len(t) < 60)
        (out / f'{target}.dict').write_text(''.join(f'"{q}"\n' for q in quoted))
    (out / 'stamp').write_text('')


if __name__ == '__main__':
    main()
