/** As first argument it makes the executable the picture helper; the second one is the folder for native parts. */
export const thumbnailRole = '--thumbnail-helper';
