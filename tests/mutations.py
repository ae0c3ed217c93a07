"""Damage to the bytes of a file, for the children that read mutated files."""


def mutated(whole, random, pieces, longest=40):
    """The bytes with a few of them flipped, written over, put in, taken out, or copied: at most `longest` at a time."""
    data = bytearray(whole)
    for _ in range(random.choice([1, 1, 1, 2, 8])):
        at, what = random.randrange(len(data) + 1), random.randrange(5)
        if what == 0 and at < len(data):
            data[at] ^= 1 << random.randrange(8)
        elif what == 1:
            data[at : at + random.choice([1, 4, 8])] = random.choice(pieces)
        elif what == 2:
            data[at:at] = random.choice(pieces)
        elif what == 3:
            del data[at : len(data) if random.random() < 0.2 else at + 7]
        else:
            other = random.randrange(len(data) + 1)
            data[at:at] = data[other : other + random.randrange(longest)]
    return bytes(data)
