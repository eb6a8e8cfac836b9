#!/usr/bin/env python3
"""Prints console_pages[]: the given files as they are, and compressed."""
import gzip
import hashlib
import os
import sys

TYPES = {'.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8',
         '.js': 'text/javascript; charset=utf-8', '.svg': 'image/svg+xml'}


def array(name, data):
    print(f'static const unsigned char {name}[] = {{')
    for i in range(0, len(data), 32):
        print(','.join(map(str, data[i:i + 32])) + ',')
    print('};')


rows = []
print('#include "console/pages.h"')
for i, path in enumerate(sys.argv[1:]):
    with open(path, 'rb') as f:
        data = f.read()
    packed = gzip.compress(data, 9, mtime=0)
    tag = hashlib.sha256(data).hexdigest()[:20]
    name = os.path.basename(path)
    array(f'plain_{i}', data)
    array(f'gzip_{i}', packed)
    rows.append('    {"%s", "%s", "\\"%s\\"", "\\"%s-gz\\"", plain_%d, gzip_%d, %d, %d},' % (
        '' if name == 'index.html' else name, TYPES[os.path.splitext(name)[1]], tag, tag, i, i, len(data), len(packed)))
print('const struct page console_pages[] = {')
print('\n'.join(rows))
print('    {0}};')
