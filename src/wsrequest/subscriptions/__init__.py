"""The live requests of one connection."""
