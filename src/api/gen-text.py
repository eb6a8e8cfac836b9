#!/usr/bin/env python3
"""gen-text.py NAME FILE: prints the file as a C string constant, in pieces that compilers take."""
import sys

name, path = sys.argv[1:]
with open(path, 'rb') as f:
    data = f.read() + b'\0'
print(f'extern const char {name}[];\nconst char {name}[] = {{')
for i in range(0, len(data), 32):
    print(','.join(str(b if b < 128 else b - 256) for b in data[i:i + 32]) + ',')
print('};')
