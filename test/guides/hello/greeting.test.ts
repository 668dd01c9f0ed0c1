import { expect, it } from 'vitest';

import { given, project } from '#tidemark/testing';
import { guestBook, hall } from './greeting.ts';

const greeted = (name: string) => ({ type: 'Greeted', data: { name } }) as const;
const greet = (name: string) => ({ type: 'Greet', data: { hallId: 'main', name } }) as const;

it('greets each guest once', () => {
  given(hall, [greeted('Ada')])
    .when(greet('Bob'))
    .then([greeted('Bob')]);
  given(hall, [greeted('Ada')])
    .when(greet('Ada'))
    .thenRejected('greeted-before');
});

it('writes the latest guest into the book', () => {
  const book = project(guestBook).events(hall, 'main', [greeted('Ada'), greeted('Bob')]);
  expect(book.row(hall, 'main')).toMatchObject({ latest: 'Bob' });
});
