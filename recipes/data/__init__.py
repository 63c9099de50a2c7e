"""From public data sets to the .npz files that the recipes train on: one script for each."""
