// A film with captions in its pictures, CEA-608 as ATSC A/53 packs it into H.264: ffmpeg has no encoder of them, so
// they are put into a stream that it has made.
const parity = (b) => { let ones = 0; for (let i = 0; i < 7; i++) ones += b >> i & 1; return ones % 2 ? b : b | 0x80 }
const twice = (...code) => [code, code] // control codes are said twice
const [LOAD, ERASE_LOADED, SHOW, ERASE_SHOWN, LAST_ROW] = [0x20, 0x2e, 0x2f, 0x2c, 0x70].map((code) => [0x14, code])

// {frame: two bytes} that show each text from its second on, and nothing from `end` on. One pair goes with each frame.
function pairs(texts, end, rate) {
  const at = {}
  const put = (first, list) => list.forEach((pair, i) => { at[first + i] = pair })
  for (const [second, text] of texts) {
    const letters = [...text.padEnd(text.length + text.length % 2, ' ')].map((c) => c.charCodeAt(0))
    const words = Array.from({ length: letters.length / 2 }, (_, i) => letters.slice(2 * i, 2 * i + 2))
    const load = [...twice(...LOAD), ...twice(...ERASE_LOADED), ...twice(...LAST_ROW), ...words]
    put(second * rate - load.length, [...load, ...twice(...SHOW)])
  }
  put(end * rate, twice(...ERASE_SHOWN))
  return at
}

function sei([a, b]) {
  const data = [0xb5, 0, 0x31, ...Buffer.from('GA94'), 3, 0x41, 0xff, 0xfc, parity(a), parity(b), 0xff]
  return Buffer.from([0, 0, 0, 1, 6, 4, data.length, ...data, 0x80])
}

// h264: an Annex B stream whose frames have one slice each, and no B-frames: they come as they are shown.
export function captioned(h264, texts, end, rate) {
  const at = pairs(texts, end, rate)
  const parts = []
  let from = 0
  let frame = 0
  for (let i = h264.indexOf('\0\0\x01', 0, 'latin1'); i >= 0; i = h264.indexOf('\0\0\x01', i + 3, 'latin1')) {
    if (![1, 5].includes(h264[i + 3] & 31)) continue
    const begin = h264[i - 1] === 0 ? i - 1 : i
    parts.push(h264.subarray(from, begin), sei(at[frame++] ?? [0, 0]))
    from = begin
  }
  return Buffer.concat([...parts, h264.subarray(from)])
}
