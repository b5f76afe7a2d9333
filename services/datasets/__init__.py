"""Datasets that specs may name: those that are built in, and those that clients register."""
