/* Tables that stay in flash where RAM is dear. */
#ifndef FLASH_H
#define FLASH_H

#ifdef __AVR__
#include <avr/pgmspace.h>
#else
#define PROGMEM
#define pgm_read_dword(at) (*(at))
#define pgm_read_word(at) (*(at))
#endif

#endif
