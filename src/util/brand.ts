declare const brand: unique symbol;

/** A value of type `T` that only its minting module may create; `Name` keeps equal shapes apart. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** Milliseconds: a point in time since the Unix epoch, or a span. */
export type Millis = Brand<number, 'Millis'>;

export const millis = (value: number): Millis => value as Millis;
