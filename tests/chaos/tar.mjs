// A tar of nothing but names and contents.
const block = 512
const header = (name, size) => {
  const b = Buffer.alloc(block)
  b.write(name, 0, 100)
  b.write('0000644\0', 100)
  b.write(`${size.toString(8).padStart(11, '0')}\0`, 124)
  b.write('ustar\x0000', 257)
  b.write('0', 156)
  b.fill(' ', 148, 156)
  b.write(`${b.reduce((sum, c) => sum + c).toString(8).padStart(6, '0')}\0 `, 148)
  return b
}

// members: [name, Buffer] each.
export const tar = (members) => Buffer.concat([
  ...members.flatMap(([name, data]) =>
    [header(name, data.length), data, Buffer.alloc((block - data.length % block) % block)]),
  Buffer.alloc(2 * block)])
