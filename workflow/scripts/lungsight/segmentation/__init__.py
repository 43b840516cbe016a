"""Segmentation: a lung mask for every case, by a trained nnU-Net or by classical means."""
