/** The program of the picture helper. */
import { serveThumbnails } from './thumbnail-helper.ts';

serveThumbnails();
