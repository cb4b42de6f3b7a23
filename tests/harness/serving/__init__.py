"""The serving contract, tried on servers of our own: a misbehaving one, and Dynamo's mocker."""
