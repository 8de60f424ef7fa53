#!/bin/sh
# While the bento's image is built: the folder of the service's state, which an empty volume takes its owner from.
set -eu
mkdir -p /home/bentoml/state
chown bentoml:bentoml /home/bentoml/state
