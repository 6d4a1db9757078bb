"""The bands of MinHash as sorted arrays, against the library whose permutations they are made
of."""

from __future__ import annotations

import numpy as np
import pytest
from datasketch import MinHash, MinHashLSH

from core.indexes.base import indexes
from tests.contracts.indexed import clustered

HASH_DIM, NUM_PERM, ROWS = 32, 64, 200


def sketches(bits: np.ndarray) -> list[MinHash]:
    """datasketch's own sketch of the set of (place, bit) pairs of each row."""
    made = []
    for row in bits:
        one = MinHash(num_perm=NUM_PERM, hashfunc=int)
        one.update_batch(2 * np.arange(HASH_DIM) + row)
        made.append(one)
    return made


@pytest.mark.parametrize(("threshold", "learned"), [(0.2, 0), (0.4, 0), (0.4, 1), (0.6, 0)])
def test_who_meets_whom_is_as_in_datasketch(threshold, learned):
    vectors = clustered(ROWS)
    index = indexes.get("minhash")
    index.build(vectors, hash_dim=HASH_DIM, num_perm=NUM_PERM, learned=learned)
    theirs, made = MinHashLSH(threshold=threshold, num_perm=NUM_PERM), sketches(index.bits(vectors))
    for row, one in enumerate(made):
        theirs.insert(row, one)
    signatures = index.signatures(vectors)
    np.testing.assert_array_equal(signatures, [one.hashvalues for one in made])
    assert index.bands(threshold) == (theirs.b, theirs.r)
    met = [index.tables(threshold).meeting(signature).tolist() for signature in signatures]
    assert met == [sorted(theirs.query(one)) for one in made]
    assert 1 < np.mean([len(rows) for rows in met]) < ROWS, "some meet, and not all"
