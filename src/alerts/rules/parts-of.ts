/** What of an object with mistakes has the right form: it is checked further even so, since all mistakes are named at once. */
import { z } from 'zod';

export function partsOf<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  value: unknown,
): Partial<z.output<z.ZodObject<Shape>>> {
  const parts = Object.entries<z.core.$ZodType>(schema.shape).flatMap(([name, field]) => {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return [];
    const { data, success } = z.safeParse(field, (value as Readonly<Record<string, unknown>>)[name]);
    return success ? [[name, data]] : [];
  });
  return Object.fromEntries(parts) as Partial<z.output<z.ZodObject<Shape>>>;
}
