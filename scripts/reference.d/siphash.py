"""SipHash-2-4 with the key (0, 0), as an unsigned 64-bit number."""

MASK = (1 << 64) - 1


def rotate(word, bits):
    return ((word << bits) | (word >> (64 - bits))) & MASK


def round_(a, b, c, d):
    a = (a + b) & MASK
    b = rotate(b, 13) ^ a
    a = rotate(a, 32)
    c = (c + d) & MASK
    d = rotate(d, 16) ^ c
    a = (a + d) & MASK
    d = rotate(d, 21) ^ a
    c = (c + b) & MASK
    b = rotate(b, 17) ^ c
    return a, b, rotate(c, 32), d


def siphash(data, key=(0, 0)):
    a = key[0] ^ 0x736F6D6570736575
    b = key[1] ^ 0x646F72616E646F6D
    c = key[0] ^ 0x6C7967656E657261
    d = key[1] ^ 0x7465646279746573
    tail = len(data) % 8
    for place in range(0, len(data) - tail, 8):
        word = int.from_bytes(data[place:place + 8], "little")
        d ^= word
        a, b, c, d = round_(*round_(a, b, c, d))
        a ^= word
    last = int.from_bytes(data[len(data) - tail:], "little") | (len(data) & 255) << 56
    d ^= last
    a, b, c, d = round_(*round_(a, b, c, d))
    a ^= last
    c ^= 255
    for _ in range(4):
        a, b, c, d = round_(a, b, c, d)
    return a ^ b ^ c ^ d


# The test vector of the SipHash paper: key 00 01 … 0f, input 00 01 … 0e.
assert siphash(bytes(range(15)), (0x0706050403020100, 0x0F0E0D0C0B0A0908)) == 0xA129CA6149BE45E5
