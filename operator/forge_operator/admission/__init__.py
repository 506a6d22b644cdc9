"""Admission: which waiting job may start now, and what the others wait for."""
