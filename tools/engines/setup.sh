#!/usr/bin/env bash
# Environments for the engines: .venv-engines sees the product's packages and has those of every tools/engines/*.txt on top;
# each tools/engines/apart/NAME.txt gets an environment .venv-NAME that shares none.
set -euo pipefail
cd "$(dirname "$0")/../.."
product=.venv/bin/python
engines=.venv-engines
quiet=(--quiet --disable-pip-version-check)

test -x $engines/bin/python || $product -m venv $engines
packages=$($product -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "$packages" >"$($engines/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/product.pth"
for list in tools/engines/*.txt; do
  echo "Installing $list"
  $engines/bin/python -m pip install "${quiet[@]}" -r "$list"
done
for list in tools/engines/apart/*.txt; do
  own=.venv-$(basename "$list" .txt)
  test -x "$own/bin/python" || $product -m venv "$own"
  echo "Installing $list into $own"
  "$own/bin/python" -m pip install "${quiet[@]}" -r "$list"
done
