"""The unmodified STM32H7 image on an emulated core, against register models written from ST's manual."""
